package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.NodeRecord;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * Whether a primary whose link is lost may go on alone, as its user's policy says. Where it may
 * not, what it would have to acknowledge is held, without an error, until the peer is met again,
 * somebody says that it is dead, or it is fenced. {@link PrimaryReign} has the gate, and asks here
 * before it opens it alone. On the guest's loop. See docs/failures.md, "A link that is cut".
 */
final class LostLink {
    /** After a command that has not fenced the peer. */
    static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final IoLoop loop;
    private final LostLinkPolicy policy;
    private final Endpoint peer;
    private final List<String> disks;
    private final PeerPresence presence;
    private final PrimaryEvents events;
    private final boolean isShared;

    private Supplier<NodeRecord> record;
    private LongSupplier committed;

    /** Has it looked at whether something is to be held, or goes on. */
    private Runnable look;

    /** Whether the peer gets nothing: it was not met yet, was cut off, or is asked no more. */
    private boolean isLost = true;

    /** Whether somebody has said that the peer is dead, or the command that it is fenced. */
    private boolean isDecided;

    private boolean isFenced;
    private boolean isHolding;

    // ---- Of disks that the peer sees as well.

    /** Whether the peer knows the policy of this process. */
    private boolean wasMet;

    /** Whether a peer that keeps its checkpoint may have taken this primary since it was met. */
    private boolean isAsked;

    /** How often that began. */
    private int askedCount;

    /** Whether somebody has said, for the next order, that the peer is fenced. */
    private boolean isWordSaid;

    /** Whether the peer, which was linked until now, is being told that it is left behind. */
    private boolean isTelling;

    private CompletableFuture<Void> told = CompletableFuture.completedFuture(null);

    /** Why the peer is not linked again; empty where it is tried. */
    private String ending = "";

    // ---- Of the command.

    /** Losses, by which an answer that comes too late is known. */
    private int loss;

    private CompletableFuture<Fencing.Answer> running = CompletableFuture.completedFuture(null);

    /** A meeting is being recorded: nothing that is said of the peer counts. */
    private boolean isMeeting;

    /** It was tried a moment ago, or is not tried any more. */
    private boolean isResting;

    private IoLoop.Timer timer = () -> {};
    private String answer = "";
    private long durableEpoch;

    /**
     * One of a primary that has met nobody yet.
     *
     * @param peer where that is
     * @param disks their names
     * @param presence says why the peer is not linked
     * @param isShared whether the peer sees the same disks
     */
    LostLink(
            final IoLoop loop,
            final LostLinkPolicy policy,
            final Endpoint peer,
            final List<String> disks,
            final PeerPresence presence,
            final PrimaryEvents events,
            final boolean isShared) {
        this.loop = loop;
        this.policy = policy;
        this.peer = peer;
        this.disks = disks;
        this.presence = presence;
        this.events = events;
        this.isShared = isShared;
    }

    /** Whose it is, before anything else. */
    void of(
            final Supplier<NodeRecord> ownRecord,
            final LongSupplier committedEpoch,
            final Runnable lookAgain) {
        record = ownRecord;
        committed = committedEpoch;
        look = lookAgain;
    }

    String word() {
        return policy.kind().word();
    }

    // ---- What is known of the peer.

    /** It is linked. */
    void onMet() {
        end();
        isLost = false;
        isDecided = false;
        isFenced = false;
        wasMet = true;
        isAsked = false;
    }

    /** Whether the peer gets nothing. */
    boolean isLost() {
        return isLost;
    }

    /** It was cut off. */
    void onLost() {
        isLost = true;
    }

    /** It is not linked again by this process. */
    void onEnded(final String reason) {
        isLost = true;
        ending = reason;
    }

    /** It is being recorded that it is met, or that has come to its end. */
    void onMeeting(final boolean isUnderWay) {
        isMeeting = isUnderWay;
        if (!isUnderWay) {
            look.run();
        }
    }

    void onDurable(final long epoch) {
        durableEpoch = epoch;
    }

    /** Somebody has said that the peer is dead; it counts until that is met again. */
    void onPromoted() {
        isDecided = isLost;
        end();
    }

    /** Somebody ends replication: the guest goes on without a peer. */
    void onStopped() {
        isDecided = true;
        isTelling = false;
        end();
        told.complete(null);
    }

    // ---- Whether a peer that sees the same disks can't take over any more.

    boolean isShared() {
        return isShared;
    }

    /** Somebody knows that the peer is fenced, which counts for the next order alone. */
    void fenced() {
        isWordSaid = true;
    }

    /** Whether that was said for the order that is given now. */
    boolean takeWord() {
        final boolean wasSaid = isWordSaid;
        isWordSaid = false;
        return wasSaid;
    }

    /** Whether somebody has said what becomes of the guest, and it goes on. */
    boolean isDecided() {
        return isDecided;
    }

    /** Whether nobody has to say it: the disks are not shared, or the record is proof of it. */
    boolean isKnownToBeOut() {
        return !isShared || isOut();
    }

    /** The same, or the peer knows of itself that it must not take over (GOES_ON). */
    boolean needsNoWord() {
        return isKnownToBeOut() || wasMet && isContinuing();
    }

    /** Why an order that has the guest go on alone is refused. */
    String unfenced(final String order) {
        return "the peer sees the same disks ("
                + String.join(", ", disks)
                + "), and does not know that it is left behind ("
                + reason()
                + "): it could take over, and put what it has saved of them over what the guest"
                + " would write here alone. Let the two meet again; or fence the peer's host, so"
                + " that its process there has ended, and say so ('lockstep "
                + order
                + " --fenced')";
    }

    /**
     * The peer is being told that it is left behind, which takes a moment.
     *
     * @return done when the guest goes on; fails where it waits for more than that
     */
    CompletableFuture<Void> onTelling(final long patienceNanos) {
        isTelling = true;
        told = new CompletableFuture<>();
        final CompletableFuture<Void> answer = told;
        loop.schedule(
                patienceNanos,
                () -> {
                    isTelling = false;
                    look.run();
                    answer.completeExceptionally(
                            new GroupException(
                                    "replication is stopped, and the guest waits: "
                                            + unfenced("stop")));
                });
        return answer;
    }

    /** It has recorded that it is left behind. */
    void onPeerOut() {
        if (isShared) {
            onStopped();
            look.run();
        }
    }

    /**
     * A peer that keeps its checkpoint may have attached, from now on: what was said, or recorded,
     * of the process before is none of it. Answers whether acknowledgements have to wait.
     */
    boolean onAsking() {
        if (!isShared || isContinuing()) {
            return false;
        }
        isAsked = true;
        askedCount++;
        isDecided = false;
        isFenced = false;
        end();
        return true;
    }

    /** Tells one time at which that has happened from another. */
    int askedCount() {
        return askedCount;
    }

    /** Whether a peer that keeps its checkpoint must not be asked before it is on record. */
    boolean mustBeRecordedFirst() {
        return isShared && !isContinuing() && isOut();
    }

    private boolean isContinuing() {
        return policy.kind() == LostLinkPolicy.Kind.CONTINUE;
    }

    private boolean isOut() {
        return record.get().peer().isNone() || record.get().isPeerOut();
    }

    private void end() {
        loss++;
        timer.cancel();
        isResting = false;
        answer = "";
    }

    /** The process ends: nobody waits for what is held, and nothing more is tried. */
    void close() {
        end();
        isResting = true;
        running.cancel(true);
    }

    // ---- What follows from it.

    /**
     * Whether the guest goes on without a secondary that is slow, or away: there is none that it
     * would have to wait for, or somebody has said so.
     */
    boolean goesOnWithout() {
        return isContinuing() && (wasMet || !isShared) || isDecided || isOut() && !isAsked;
    }

    /** Whether what the peer may lack may be acknowledged. */
    boolean mayGoOn() {
        return !isLost || goesOnWithout();
    }

    /** Whether the command has fenced the peer, which is still to be recorded. */
    boolean isFenced() {
        return isFenced;
    }

    /** Something has to be held; harmless where it is known. */
    void hold() {
        if (isTelling) {
            return;
        }
        if (!isHolding) {
            isHolding = true;
            events.guestHeld(sentence());
        }
        final boolean isDue = policy.kind() == LostLinkPolicy.Kind.FENCE && running.isDone();
        if (isDue && !isResting && !isMeeting) {
            fence();
        }
    }

    boolean isHolding() {
        return isHolding;
    }

    /** What was held goes on. */
    void onReleased() {
        if (isHolding) {
            isHolding = false;
            events.guestGoesOn(isLost);
        }
    }

    // ---- The command.

    private void fence() {
        final int ofLoss = loss;
        running =
                policy.fencing()
                        .fence(
                                new Fencing.Loss(
                                        record.get(),
                                        peer,
                                        disks,
                                        committed.getAsLong(),
                                        durableEpoch,
                                        reason()));
        loop.after(
                running,
                (known, thrown) ->
                        loop.execute(
                                () ->
                                        onAnswer(
                                                ofLoss,
                                                thrown == null
                                                        ? known
                                                        : new Fencing.Answer(
                                                                Fencing.Outcome.NOT_FENCED,
                                                                thrown.getMessage()))));
    }

    private void onAnswer(final int ofLoss, final Fencing.Answer known) {
        if (ofLoss != loss || isMeeting || !isHolding) {
            look.run(); // it is of another loss, or of none
            return;
        }
        isResting = known.outcome() != Fencing.Outcome.FENCED;
        switch (known.outcome()) {
            case FENCED -> {
                isFenced = true;
                isDecided = true;
                look.run();
            }
            case NOT_FENCED ->
                    timer =
                            loop.schedule(
                                    AGAIN_NANOS,
                                    () -> {
                                        isResting = false;
                                        look.run();
                                    });
            case TAKEN_OVER -> {} // until the two meet, or somebody knows better
        }
        if (isResting && !known.sentence().equals(answer)) {
            answer = known.sentence();
            events.guestHeld(sentence());
        }
    }

    private String reason() {
        return ending.isEmpty() ? presence.toString() : ending;
    }

    /** Why the guest waits. */
    String sentence() {
        return "the guest waits, and gets no error, as --on-lost-link is "
                + word()
                + ": "
                + reason()
                + "; it goes on when the two have met again"
                + (ending.isEmpty() ? "" : ", in another process of this primary")
                + (answer.isEmpty() ? "" : ", or the peer is fenced: " + answer)
                + "; if the peer is dead, and has not taken over, say 'lockstep promote"
                + (isShared ? " --fenced'" : "'");
    }
}
