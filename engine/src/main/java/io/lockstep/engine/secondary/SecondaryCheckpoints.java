package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.IoLoop;

import org.HdrHistogram.Histogram;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Seals and commits of a secondary: what the primary of our own kind asks for, and what a manager
 * does where anybody may write. On the group's loop.
 */
final class SecondaryCheckpoints {
    /** Epochs that may be uncommitted at a time, the open one included. */
    static final int UNCOMMITTED_MAX = 2;

    private static final long COMMIT_NANOS_MAX = TimeUnit.MINUTES.toNanos(1);

    private final SecondaryGroup group;
    private final IoLoop loop;
    private final GroupPage page;
    private final SecondaryEvents events;
    private final Histogram durations = new Histogram(COMMIT_NANOS_MAX, 3);
    private long lastCommitted;

    SecondaryCheckpoints(
            final SecondaryGroup group,
            final IoLoop loop,
            final GroupPage page,
            final SecondaryEvents events) {
        this.group = group;
        this.loop = loop;
        this.page = page;
        this.events = events;
    }

    /** Goes on behind what a process before this one has committed. */
    void goOn() {
        lastCommitted = page.committedEpoch();
    }

    /** The last committed one, also when the page is gone. */
    long committedEpoch() {
        return lastCommitted;
    }

    /** How long commits took, in nanoseconds. */
    Histogram durations() {
        return durations;
    }

    CompletableFuture<Long> seal() {
        final String refusal = group.refuseOperation();
        if (refusal != null) {
            return fail(refusal);
        }
        if (!group.session().takesAnyone()) {
            return fail("nothing was sealed: the primary seals; ask for it there");
        }
        final long epoch = group.openEpoch();
        if (epoch + 1 > lastCommitted + UNCOMMITTED_MAX) {
            return fail("epoch " + (epoch - 1) + " is not committed yet; commit it first");
        }
        final CompletableFuture<Long> sealed = new CompletableFuture<>();
        group.disks().forEachThen(SecondaryDisk::seal, () -> sealed.complete(epoch));
        return sealed;
    }

    CompletableFuture<Void> commit(final long epoch) {
        final String refusal = group.refuseOperation();
        final String reason = refusal == null ? commitUnlessRefused(epoch) : refusal;
        return reason == null ? CompletableFuture.completedFuture(null) : fail(reason);
    }

    CompletableFuture<Long> checkpoint() {
        final String refusal = group.refuseOperation();
        if (refusal != null) {
            return fail(refusal);
        }
        final long sealed = group.sealedEpoch();
        final boolean isSealed = sealed > lastCommitted;
        if (group.session().takesAnyone()) {
            return (isSealed ? commit(sealed) : CompletableFuture.<Void>completedFuture(null))
                    .thenCompose(done -> seal())
                    .thenCompose(epoch -> commit(epoch).thenApply(done -> epoch));
        }
        return isSealed
                ? commit(sealed).thenApply(done -> sealed)
                : fail(
                        "nothing was checkpointed: the primary makes the checkpoints of this"
                                + " secondary; ask for one there (lockstep checkpoint on its"
                                + " host)");
    }

    /**
     * Commits; answers why it can't be, or null. While the disks are made equal what is sealed on
     * all of them need not be a moment of the primary's, and the checkpoint stays that there is
     * (I11, I14).
     */
    String commitUnlessRefused(final long epoch) {
        return epoch > lastCommitted && page.isCatchingUp()
                ? "epoch "
                        + epoch
                        + " can't be committed: the primary makes the disks equal, and when they"
                        + " are commits the next checkpoint itself"
                : commitSealed(epoch);
    }

    /** The same where the disks have just become equal. */
    String commitSealed(final long epoch) {
        if (epoch < 1) {
            return GroupException.noEpoch(epoch);
        }
        if (epoch <= lastCommitted) {
            return null;
        }
        final String refusal = group.refuseOperation();
        if (refusal != null) {
            return refusal; // such as an error: a seal says nothing of writes that failed
        }
        if (epoch > group.sealedEpoch()) {
            return "epoch "
                    + epoch
                    + " can't be committed: the last one that is sealed on every disk is "
                    + group.sealedEpoch();
        }
        final long start = loop.nanoTime();
        page.commit(epoch);
        lastCommitted = epoch;
        group.onCommitted();
        durations.recordValue(Math.min(loop.nanoTime() - start, COMMIT_NANOS_MAX));
        events.checkpoint();
        group.durability().onCommitted(); // which may find it durable in this very turn
        return null;
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }
}
