package io.lockstep.engine.primary;

import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupException;

import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;

/**
 * Seals and commits of a primary. Whoever asks for one is answered in bounded time: at once while
 * the secondary is away, and then nothing is sealed; and when the patience with a cut link is at
 * its end, while what was asked for is done when the link is back. On the guest's loop.
 */
final class PrimaryCheckpoints implements Acknowledgements.Pair {
    private static final int NO_LANE = -1;

    private final PrimaryGroup group;
    private final PrimaryEpochs epochs;
    private final PeerPresence presence;
    private final Lanes lanes;
    private final int diskCount;
    private final LongConsumer onSeal;
    private final LinkOrders orders;

    /** Where the logs ended behind the last seals; -1 before the first. */
    private long sealedEnd = -1;

    /** The last epoch that was ended for the sake of answers; 0 before the first. */
    private long sealedNow;

    PrimaryCheckpoints(
            final PrimaryGroup group,
            final PrimaryEpochs epochs,
            final PeerPresence presence,
            final Lanes lanes,
            final int diskCount,
            final LongConsumer onSeal,
            final LinkOrders orders) {
        this.group = group;
        this.epochs = epochs;
        this.presence = presence;
        this.lanes = lanes;
        this.diskCount = diskCount;
        this.onSeal = onSeal;
        this.orders = orders;
    }

    CompletableFuture<Long> seal() {
        return seal(0);
    }

    private CompletableFuture<Long> seal(final int flags) {
        final String refusal = refuse();
        if (refusal != null) {
            return fail(refusal);
        }
        if (!epochs.maySeal() && sealedNow == epochs.open() - 1) {
            return epochs.whenCommitted(sealedNow).thenCompose(done -> seal(flags));
        }
        if (!epochs.maySeal()) {
            return fail("epoch " + (epochs.open() - 1) + " is not committed yet; commit it first");
        }
        return sealAnyway(flags);
    }

    /** The secondary has been sent all that it lacked: with the end of this epoch it is equal. */
    @SuppressWarnings("FutureReturnValueIgnored") // the peer says when it is equal
    void sealCaughtUp() {
        epochs.sealEqual();
        sealAnyway(ControlRecord.AND_COMMIT | ControlRecord.CAUGHT_UP);
    }

    // ---- What answers to the guest wait for.

    @Override
    public boolean isEqual() {
        return group.isEqual();
    }

    @Override
    @SuppressWarnings("FutureReturnValueIgnored") // who waits looks at the epochs
    public void sealNow() {
        sealedNow = epochs.open();
        sealAnyway(ControlRecord.AND_COMMIT);
    }

    @Override
    public void commitNow(final long epoch) {
        orders.commit(epoch);
    }

    @Override
    public void askDurable(final long epoch) {
        group.forwarding().whenDurableHere(() -> orders.askDurable(epoch));
    }

    @Override
    public boolean isOpenEpochEmpty() {
        return sealedEnd == lanes.appended();
    }

    // ---- What a manager asks for.

    /** Epochs are numbered anew: the logs belong to the open one. */
    void onNumbered() {
        sealedEnd = -1;
        sealedNow = 0;
    }

    /** The link is made: what was asked of one before is asked again. */
    void onLinked() {
        final long awaited = epochs.durableAwaited();
        if (awaited > epochs.durable()) {
            askDurable(awaited);
        }
    }

    private CompletableFuture<Long> sealAnyway(final int flags) {
        final long epoch = epochs.open();
        final CompletableFuture<Long> sealed = epochs.seal();
        enterSeals(epoch, flags, NO_LANE);
        return sealed;
    }

    /**
     * Ends the epoch in all logs at once: what they have belongs to it. What waits for room is in
     * no epoch yet, and holds no seal up.
     *
     * @param entered the number of the lane whose turn it is to have room
     * @return whether it need not wait there any more
     */
    private boolean enterSeals(final long epoch, final int flags, final int entered) {
        if (lanes.isOver() || lanes.isHopeless() || !epochs.isAwaited(epoch)) {
            return true; // whoever waited has been told, or has gone: it holds up nobody behind it
        }
        final Lane full = lanes.fullFor(diskCount);
        if (full != null) {
            final boolean isElsewhere = full.number() != entered;
            if (isElsewhere) {
                full.room()
                        .waitForRoom(
                                new TurnEntry(full, () -> enterSeals(epoch, flags, full.number())));
            }
            return isElsewhere;
        }
        onSeal.accept(epoch);
        for (int i = 0; i < diskCount; i++) {
            final long frame =
                    lanes.of(i)
                            .log()
                            .claim(ForwardLog.Kind.SEAL, i, epoch, 0, flags, group.nanoTime());
            group.forwarding().seal(i, frame);
        }
        sealedEnd = lanes.appended();
        group.onDecided();
        return true;
    }

    /** Done when the epoch that was ended last is sealed. */
    CompletableFuture<Void> whenSealed() {
        final long last = epochs.open() - 1;
        if (last <= epochs.sealed()) {
            return CompletableFuture.completedFuture(null);
        }
        final String refusal = refuse();
        return refusal == null ? epochs.whenSealed(last).thenApply(epoch -> null) : fail(refusal);
    }

    CompletableFuture<Void> commit(final long epoch) {
        final String refusal = refuse();
        if (refusal != null) {
            return fail(refusal);
        }
        if (epoch < 1) {
            return fail(GroupException.noEpoch(epoch));
        }
        if (epoch <= epochs.committed()) {
            return CompletableFuture.completedFuture(null);
        }
        if (epoch > epochs.sealed()) {
            return fail(
                    "epoch "
                            + epoch
                            + " can't be committed: the last one that is sealed is "
                            + epochs.sealed());
        }
        orders.commit(epoch);
        return epochs.whenCommitted(epoch);
    }

    /** What was sealed before, and is not committed, comes first. */
    CompletableFuture<Long> checkpoint() {
        final String refusal = refuse();
        if (refusal != null) {
            return fail(refusal);
        }
        if (presence.isForeign()) {
            return fail(
                    "nothing was checkpointed: the secondary at "
                            + presence.peer()
                            + " knows no epochs: start the primary with --peer-qmp; or seal"
                            + " (x-lockstep-seal), checkpoint the secondary in its own way, and"
                            + " commit (x-lockstep-commit)");
        }
        return epochs.maySeal()
                ? sealAndCommit()
                : whenSealed()
                        .thenCompose(done -> commit(epochs.sealed()))
                        .thenCompose(done -> sealAndCommit());
    }

    private CompletableFuture<Long> sealAndCommit() {
        // Most often the seals commit as well, and the commit finds itself done.
        return seal(ControlRecord.AND_COMMIT)
                .thenCompose(epoch -> commit(epoch).thenApply(done -> epoch));
    }

    /** Done when an epoch that is committed is on the secondary's stable storage as well. */
    CompletableFuture<Void> whenDurable(final long epoch) {
        if (epoch <= epochs.durable()) {
            return CompletableFuture.completedFuture(null);
        }
        final String refusal = refuse();
        if (refusal != null) {
            return fail(refusal);
        }
        if (presence.isForeign()) {
            return fail(
                    "the secondary at "
                            + presence.peer()
                            + " does not say what is on its stable storage");
        }
        askDurable(epoch);
        return epochs.whenDurable(epoch);
    }

    private String refuse() {
        final String refusal = group.refuseOperation();
        if (refusal != null || !presence.isAway()) {
            return refusal;
        }
        return presence
                + ": nothing was sealed or committed, and the guest goes on; see that the"
                + " secondary runs and can be reached, or give it up (lockstep stop)";
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    /** The link was cut, and did not come back in time. */
    void onAway() {
        epochs.failForNow(
                epoch ->
                        presence
                                + ", and has not answered for epoch "
                                + epoch
                                + ": nothing of it is lost, and it is finished when the link is"
                                + " back; see that the secondary runs and can be reached");
    }
}
