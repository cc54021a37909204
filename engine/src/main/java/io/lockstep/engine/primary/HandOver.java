package io.lockstep.engine.primary;

import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Lineage;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A planned switch of roles, on the primary: its guests are held, all that they have changed is
 * made a checkpoint, and the secondary is asked to take over there. What fails before it is asked,
 * or is refused, leaves everything as it was, and the guests go on. Where its answer is lost they
 * stay held until the two meet again, since it may have taken over; or until somebody knows better.
 * Each step is bounded in time. On the guest's loop. See docs/lives.md, "A planned switch".
 */
final class HandOver {
    /** Why nobody else seals or commits meanwhile. */
    static final String UNDER_WAY = "the roles are being switched";

    /** From the order until the secondary is asked, at most. */
    private static final long PREPARE_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** The secondary flushes and records before it answers; then the link is cut. */
    private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** Whoever ordered it is told after so long that nothing is known yet. */
    private static final long DOUBT_NANOS = TimeUnit.SECONDS.toNanos(7);

    private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** The secondary waits a little longer for what it wishes. */
    private static final int WANTED_TRIES = 4;

    /** Whoever ordered it is answered before the process becomes something else. */
    private static final long ANSWERED_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private enum Phase {
        NONE,
        PREPARING,
        ASKED,
        IN_DOUBT,
        RECORDING,
        /** The node is giving its own way up: see {@link SplitBrain}. */
        CONCEDING,
        DONE
    }

    private final PrimaryGroup group;
    private final Leaving leaving;
    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private final Link link;
    private final PrimaryReign reign;
    private final PrimaryEpochs epochs;
    private final PrimaryCheckpoints checkpoints;
    private final PrimaryEvents events;
    private final List<PrimaryDisk> disks;

    /** Null where this process is none that switches roles. */
    private HeldGuests guests;

    private Phase phase = Phase.NONE;

    /** Of the orders, one after the other. */
    private int attempt;

    private long epoch;
    private int peerFlags;
    private CompletableFuture<Long> answer;

    HandOver(
            final PrimaryGroup group,
            final Leaving leaving,
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final Link link,
            final PrimaryReign reign,
            final PrimaryEpochs epochs,
            final PrimaryCheckpoints checkpoints,
            final PrimaryEvents events,
            final List<PrimaryDisk> disks) {
        this.group = group;
        this.leaving = leaving;
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
        this.link = link;
        this.reign = reign;
        this.epochs = epochs;
        this.checkpoints = checkpoints;
        this.events = events;
        this.disks = disks;
    }

    /** This process becomes a secondary where its peer takes over. */
    void allow(final HeldGuests ofGuest) {
        guests = ofGuest;
    }

    /** Whether this process becomes a secondary, rather than ends. */
    boolean switchesRoles() {
        return guests != null;
    }

    /** The node is about to give its own way up; answers whether nothing else is under way. */
    boolean beginConceding() {
        final boolean isFree = phase == Phase.NONE;
        if (isFree) {
            phase = Phase.CONCEDING;
        }
        return isFree;
    }

    /** It has: this process is a primary no more. */
    void conceded() {
        phase = Phase.DONE;
    }

    /** It has not. */
    void keepsItsWay() {
        phase = Phase.NONE;
    }

    /** Whether it is under way, or done: nobody else makes checkpoints then. */
    boolean isBegun() {
        return phase != Phase.NONE;
    }

    /** Whether the peer may have taken over. */
    boolean isInDoubt() {
        return phase == Phase.ASKED || phase == Phase.IN_DOUBT || phase == Phase.RECORDING;
    }

    /** Whether the peer has taken over: this process is a primary no more. */
    boolean isDone() {
        return phase == Phase.DONE;
    }

    // ---- From the order to the question.

    CompletableFuture<Long> begin() {
        final Optional<String> refusal = refusal();
        if (refusal.isPresent()) {
            return fail(refusal.get());
        }
        phase = Phase.PREPARING;
        answer = new CompletableFuture<>();
        final CompletableFuture<Long> begun = answer;
        final int now = ++attempt;
        guestLoop.schedule(
                PREPARE_NANOS,
                () -> {
                    if (isPreparing(now)) {
                        undo("the secondary did not have everything in time");
                    }
                });
        guests.hold(
                () -> {
                    if (isPreparing(now)) {
                        prepare(now);
                    }
                });
        return begun;
    }

    private boolean isPreparing(final int ofAttempt) {
        return attempt == ofAttempt && phase == Phase.PREPARING;
    }

    private Optional<String> refusal() {
        if (guests == null) {
            return Optional.of(
                    "roles are switched between two that are started with 'lockstep node'");
        }
        if (isBegun()) {
            return Optional.of(UNDER_WAY);
        }
        return Optional.ofNullable(group.refuseOperation())
                .or(this::refusalOfNode)
                .or(this::refusalOfPeer);
    }

    private Optional<String> refusalOfPeer() {
        if (peerFlags == 0) {
            return Optional.of("the secondary was linked just now; try again");
        }
        return (peerFlags & ControlRecord.TAKES_ROLE) == 0
                ? Optional.of(
                        "the secondary would not replicate back: start it with 'lockstep node',"
                                + " too")
                : Optional.empty();
    }

    private Optional<String> refusalOfNode() {
        if (reign.isHeld()) {
            return Optional.of("the guest waits for the peer itself, see 'lockstep status'");
        }
        if (!leaving.isEqual() || reign.record().standing() != Standing.REIGNING) {
            return Optional.of(
                    "the secondary is not linked, or not equal: see 'lockstep status', and"
                            + " try again when it is");
        }
        return Optional.empty();
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    /** All that the guests have begun is done, and on its way. */
    private void prepare(final int now) {
        final CompletableFuture<Void> flushed =
                LocalFlush.flushAll(disks, "a disk of the primary can't be flushed");
        guestLoop.after(
                checkpoints.checkpoint().thenCombine(flushed, (made, done) -> made),
                (made, thrown) -> {
                    if (!isPreparing(now)) {
                        return;
                    }
                    if (thrown == null) {
                        ask(now, made);
                    } else {
                        undo(PrimaryEvents.sentenceOf(thrown));
                    }
                });
    }

    private void ask(final int now, final long made) {
        final boolean isAll =
                leaving.hasAll() && epochs.committed() == made && epochs.open() == made + 1;
        if (!isAll) {
            undo("the link was cut");
            return;
        }
        phase = Phase.ASKED;
        epoch = made;
        final HandOverRequest.Listener listener =
                (known, reason) -> guestLoop.execute(() -> onAnswer(now, known, reason));
        linkLoop.execute(() -> link.handOver().ask(made, ANSWER_NANOS, listener));
        guestLoop.schedule(DOUBT_NANOS, () -> tellDoubt(now));
    }

    // ---- What became of it.

    private void onAnswer(
            final int ofAttempt, final HandOverRequest.Answer known, final String reason) {
        if (attempt != ofAttempt || phase != Phase.ASKED && phase != Phase.IN_DOUBT) {
            return;
        }
        switch (known) {
            case TAKEN -> record();
            case REFUSED -> undo(reason);
            case UNKNOWN -> {
                phase = Phase.IN_DOUBT;
                reign.doubt(doubt());
            }
        }
    }

    private String doubt() {
        return "the secondary was asked to take over at epoch " + epoch + " and may have done so";
    }

    private void tellDoubt(final int ofAttempt) {
        if (attempt == ofAttempt && isInDoubt()) {
            final String sentence =
                    doubt()
                            + ": the guest waits until the two have met again; see 'lockstep"
                            + " status'";
            answer.completeExceptionally(new GroupException(sentence));
            events.notHandedOver(sentence);
        }
    }

    /**
     * A newer peer was found, and this node has nothing of its own: answers whether it is a primary
     * no more. Either that peer has taken over what it was asked to, or by a failover: then this
     * process, which was away or cut off, becomes its secondary.
     *
     * @param sentence that tells of the peer
     */
    boolean endsFor(final Summary newer, final String sentence) {
        if (phase == Phase.RECORDING || isDone()) {
            return true;
        }
        if (hasTaken(newer)) {
            record();
            return true;
        }
        final boolean becomesSecondary =
                guests != null && reign.isSupplanted() && newer.standing().isPrimary();
        if (becomesSecondary) {
            giveWay(sentence);
        }
        return becomesSecondary;
    }

    /** Nothing else is asked of it, and it was not lost meanwhile. */
    private boolean hasTaken(final Summary secondary) {
        final Id own = reign.record().lineage().newest();
        final Lineage theirs = secondary.lineage();
        return phase == Phase.IN_DOUBT
                && secondary.standing().isPrimary() // it may have lost what it took
                && theirs.has(own)
                && !theirs.newest().equals(own)
                && theirs.successorOf(own).origin() == epoch;
    }

    /** The record says all that there is to say: a primary, which finds a newer one again. */
    private void giveWay(final String sentence) {
        final CompletableFuture<Long> open =
                phase == Phase.NONE ? CompletableFuture.completedFuture(0L) : answer;
        phase = Phase.DONE;
        reign.doubt("");
        events.givenWay(sentence);
        group.end().handOver(sentence);
        open.completeExceptionally(new GroupException(sentence));
    }

    /** As often as it takes: the guest is the peer's, whatever this node's storage does. */
    private void record() {
        phase = Phase.RECORDING;
        linkLoop.execute(link::end);
        guestLoop.after(
                reign.handOver(epoch),
                (done, thrown) -> {
                    if (thrown == null) {
                        end();
                    } else {
                        events.notRecorded(
                                thrown.getMessage()
                                        + "; the peer has taken over, and it is tried"
                                        + " again");
                        guestLoop.schedule(AGAIN_NANOS, this::record);
                    }
                });
    }

    private void end() {
        phase = Phase.DONE;
        reign.doubt("");
        group.end().handOver("the secondary has taken over at epoch " + epoch);
        answer.complete(epoch);
        guestLoop.schedule(ANSWERED_NANOS, events::handedOver);
    }

    private void undo(final String reason) {
        final String sentence =
                "the roles stay as they were, and the guest goes on here: " + reason;
        phase = Phase.NONE;
        reign.doubt("");
        guests.letGo();
        events.notHandedOver(sentence);
        answer.completeExceptionally(new GroupException(sentence));
    }

    // ---- What happens meanwhile.

    /**
     * The link has ended for good, as the peer has refused something. It is the next meeting that
     * tells what became of the question: answers whether it is made again for that.
     */
    boolean asksAgain() {
        final boolean isOpen = phase == Phase.ASKED || phase == Phase.IN_DOUBT;
        if (isOpen) {
            guestLoop.schedule(AGAIN_NANOS, () -> linkLoop.execute(link::start));
        }
        return isOpen;
    }

    /** The secondary says what it would do, and what its user wants. */
    void onFlags(final int flags) {
        final boolean isWanted = (flags & ~peerFlags & ControlRecord.WANTS_ROLE) != 0;
        peerFlags = flags;
        if (isWanted) {
            onWanted(WANTED_TRIES);
        }
    }

    /** What keeps it from that may pass: it is looked at again some times. */
    private void onWanted(final int triesLeft) {
        if ((peerFlags & ControlRecord.WANTS_ROLE) == 0) {
            return; // the link was cut, and the wish is heard again
        }
        if (triesLeft > 0 && refusal().isPresent()) {
            guestLoop.schedule(AGAIN_NANOS, () -> onWanted(triesLeft - 1));
            return;
        }
        guestLoop.after(
                begin(),
                (taken, thrown) -> {
                    if (thrown != null && !isInDoubt()) {
                        linkLoop.execute(link.handOver()::decline);
                    }
                });
    }

    /** The link is cut, or replication ends. */
    void onCut(final String reason) {
        peerFlags = 0;
        if (phase == Phase.PREPARING) {
            undo(reason);
        }
    }

    /** Somebody says that the peer has not taken over. */
    CompletableFuture<Void> promote() {
        return isDone()
                ? CompletableFuture.failedFuture(
                        new GroupException(
                                "this node is a primary no more: its peer has taken over, and has"
                                        + " the guest"))
                : reign.promote().thenRun(this::onPromoted);
    }

    private void onPromoted() {
        if (phase == Phase.ASKED || phase == Phase.IN_DOUBT) {
            undo("somebody has said that the secondary has not taken over (lockstep promote)");
        }
    }
}
