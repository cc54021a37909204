package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.SplitBrainStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.AfterSplitBrain;
import io.lockstep.engine.node.Concession;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.Stance;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.tracking.Tracking;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * What a primary does about a peer that went another way than it did: says what each of the two
 * has; and gives its own way up where somebody says so here, or where the policy does that both
 * have. Its guests are held then, all that they have changed is flushed, and for whom it is given
 * up is recorded; what fails before leaves everything as it was. On the guest's loop. See
 * docs/lives.md, "Split brain".
 */
final class SplitBrain {
    /** From the order until it is recorded, at most, but for the record's storage. */
    private static final long PREPARE_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** Whoever ordered it is answered before the process becomes something else. */
    private static final long ANSWERED_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private final PrimaryGroup group;
    private final IoLoop loop;
    private final PrimaryReign reign;
    private final Tracking tracking;
    private final List<PrimaryDisk> disks;
    private final PrimaryEvents events;

    /** Null where nobody can make them wait. */
    private HeldGuests guests;

    /** What both said of themselves when this was found last; null where it was not. */
    private Summary own;

    private Summary peer;

    /** Of the orders, one after the other. */
    private int attempt;

    private boolean isPreparing;
    private boolean isRecording;

    /**
     * Whether the policy could not be followed for what was found: it is not tried again, as the
     * guests would be held again and again.
     */
    private boolean isPolicyOver;

    SplitBrain(
            final PrimaryGroup group,
            final IoLoop loop,
            final PrimaryReign reign,
            final Tracking tracking,
            final List<PrimaryDisk> disks,
            final PrimaryEvents events) {
        this.group = group;
        this.loop = loop;
        this.reign = reign;
        this.tracking = tracking;
        this.disks = disks;
        this.events = events;
    }

    /** Who is made to wait. */
    void guests(final HeldGuests ofDisks) {
        guests = ofDisks;
    }

    /** Whether this node is giving its own way up: it meets nobody as a primary any more. */
    boolean isConceding() {
        return isPreparing || isRecording;
    }

    // ---- It is found.

    /** The two have met, and found something. */
    void onJudged(final Summary ownSaid, final Summary peerSaid, final Meeting.Answer answer) {
        if (answer == Meeting.Answer.SPLIT_BRAIN) {
            onFound(ownSaid, peerSaid);
        } else if (answer.isAgreed() && own != null) {
            own = null;
            peer = null;
            reign.stance().forget();
            events.splitBrainResolved(
                    "the peer, node "
                            + peerSaid.node().brief()
                            + ", has given its own way up, and is made equal");
        }
    }

    private void onFound(final Summary ownSaid, final Summary peerSaid) {
        final boolean isNews =
                reign.stance().count(peerSaid, () -> changed(peerSaid)) || own == null;
        own = ownSaid.with(reign.stance().now());
        peer = peerSaid;
        if (isNews) {
            isPolicyOver = false;
            events.splitBrain(status(false));
        }
        if (!isPolicyOver && refusal().isEmpty() && AfterSplitBrain.givesWay(own, peer)) {
            followPolicy();
        }
    }

    private void followPolicy() {
        loop.after(
                concede("by --after-split-brain " + own.stance().policy()),
                (done, thrown) -> {
                    if (thrown != null) {
                        isPolicyOver = true;
                        events.notRecorded(
                                PrimaryEvents.sentenceOf(thrown)
                                        + "; say 'lockstep resolve' with --discard here, or on the"
                                        + " other one");
                    }
                });
    }

    /** Bytes that this node has changed, and that peer lacks, at most. */
    private long changed(final Summary of) {
        return tracking.isKnown(of.node()) ? tracking.length() : Stance.UNKNOWN;
    }

    private SplitBrainStatus status(final boolean isDiscarded) {
        final boolean isKnown = tracking.isKnown(peer.node());
        final List<SplitBrainStatus.DiskChange> changes = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            changes.add(
                    new SplitBrainStatus.DiskChange(
                            disks.get(i).name(), isKnown ? tracking.length(i) : Stance.UNKNOWN));
        }
        return new SplitBrainStatus(
                SplitBrainStatus.Way.of(own.with(reign.stance().now()), peer, changed(peer)),
                SplitBrainStatus.Way.of(peer, own, peer.stance().changed()),
                changes,
                isDiscarded);
    }

    // ---- It is resolved.

    /**
     * Says what both have.
     *
     * @param isDiscarding whether this node's own way is given up; the answer is of before
     */
    CompletableFuture<SplitBrainStatus> resolve(final boolean isDiscarding) {
        final Optional<String> refusal = refusal();
        if (refusal.isPresent()) {
            return fail(refusal.get());
        }
        return isDiscarding
                ? concede("as somebody has said")
                : CompletableFuture.completedFuture(status(false));
    }

    private Optional<String> refusal() {
        if (isConceding() || group.hasHandedOver()) {
            return Optional.of("this node is giving way to its peer already");
        }
        if (own == null || !reign.refusal().equals(Optional.of(Meeting.Answer.SPLIT_BRAIN))) {
            return Optional.of(
                    "no split brain was found: this node has not met a peer that went another way;"
                            + " see 'lockstep status'");
        }
        if (reign.record().isMerging()) {
            return Optional.of(
                    "a merge is not done, and the buffers hold what the disks lack; let it end"
                            + " first");
        }
        return reign.word() == Word.NOW || guests == null
                ? Optional.of(
                        "a manager has started replication here (xen-set-replication), and decides:"
                                + " to have this node give way, "
                                + Meeting.HOW_TO_GIVE_WAY)
                : Optional.empty();
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    private CompletableFuture<SplitBrainStatus> concede(final String why) {
        if (!group.handOver().beginConceding()) {
            return fail(HandOver.UNDER_WAY);
        }
        isPreparing = true;
        final int now = ++attempt;
        final CompletableFuture<SplitBrainStatus> answer = new CompletableFuture<>();
        loop.schedule(
                PREPARE_NANOS,
                () -> {
                    if (isPreparing(now)) {
                        undo(answer, "what the guest has begun did not end in time");
                    }
                });
        final Runnable whenQuiet =
                () -> {
                    if (isPreparing(now)) {
                        flush(now, why, answer);
                    }
                };
        if (reign.isHeld()) {
            whenQuiet.run(); // it was never served
        } else {
            guests.hold(whenQuiet);
        }
        return answer;
    }

    private boolean isPreparing(final int ofAttempt) {
        return isPreparing && attempt == ofAttempt;
    }

    /** All that the guests have begun is done. */
    private void flush(
            final int now, final String why, final CompletableFuture<SplitBrainStatus> answer) {
        loop.after(
                LocalFlush.flushAll(disks, "a disk can't be flushed"),
                (done, thrown) -> {
                    if (!isPreparing(now)) {
                        return;
                    }
                    if (thrown == null) {
                        record(why, answer);
                    } else {
                        undo(answer, PrimaryEvents.sentenceOf(thrown));
                    }
                });
    }

    private void record(final String why, final CompletableFuture<SplitBrainStatus> answer) {
        isPreparing = false;
        isRecording = true;
        final SplitBrainStatus discarded = status(true);
        final Concession to = new Concession(peer.node(), peer.lineage().newest());
        loop.after(
                reign.concede(to, peer.committedEpoch()),
                (done, thrown) -> {
                    isRecording = false;
                    if (thrown == null) {
                        end(discarded, why, answer);
                    } else {
                        undo(answer, PrimaryEvents.sentenceOf(thrown));
                    }
                });
    }

    private void end(
            final SplitBrainStatus discarded,
            final String why,
            final CompletableFuture<SplitBrainStatus> answer) {
        group.handOver().conceded();
        group.end().handOver("this node has given its own way up for its peer's");
        events.conceded(discarded, why);
        answer.complete(discarded);
        if (group.handOver().switchesRoles()) {
            loop.schedule(ANSWERED_NANOS, events::follows);
        }
    }

    private void undo(final CompletableFuture<SplitBrainStatus> answer, final String reason) {
        isPreparing = false;
        group.handOver().keepsItsWay();
        if (!reign.isHeld()) {
            guests.letGo();
        }
        answer.completeExceptionally(
                new GroupException("nothing was given up, and the guest goes on here: " + reason));
    }
}
