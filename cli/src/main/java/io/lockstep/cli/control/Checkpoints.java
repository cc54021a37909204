package io.lockstep.cli.control;

import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.IoLoop;

import org.HdrHistogram.Histogram;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The checkpoints of a group, and how long they took: from the call to the moment at which the
 * secondary has committed. All of a process go through one of these, whoever asks for them.
 * Everything is called on the group's loop.
 */
public final class Checkpoints {
    private static final long DURATION_MAX = TimeUnit.HOURS.toNanos(1);
    private static final int DIGITS = 2;

    private final ReplicationGroup group;
    private final IoLoop loop;
    private final Histogram durations = new Histogram(DURATION_MAX, DIGITS);
    private CompletableFuture<Checkpoint> running = CompletableFuture.completedFuture(null);

    /** The one that begins when the running one has ended; null where nobody asked for it. */
    private CompletableFuture<Checkpoint> next;

    private long lastNanos;
    private boolean stopped;

    /**
     * One that came to its end.
     *
     * @param epoch now the last committed one
     */
    public record Checkpoint(long epoch, long nanos) {}

    /**
     * What they took so far, in nanoseconds; all 0 where there were none.
     *
     * @param last the latest one
     */
    public record Durations(long count, long last, long p50, long p99, long max) {}

    /** None yet. */
    public Checkpoints(final ReplicationGroup group, final IoLoop loop) {
        this.group = group;
        this.loop = loop;
    }

    /**
     * Makes one, when the one before it, whoever asked for that, has come to its end. All who ask
     * meanwhile share it: so nobody waits for more than two.
     */
    public CompletableFuture<Checkpoint> make() {
        if (next != null) {
            return next;
        }
        if (running.isDone()) {
            running = makeNow();
            return running;
        }
        next = running.handle((made, thrown) -> null).thenCompose(ended -> makeNext());
        return next;
    }

    /** The same, and waits until it is on the secondary's stable storage. */
    public CompletableFuture<Checkpoint> makeDurable() {
        final long start = loop.nanoTime();
        return make().thenCompose(
                        made ->
                                group.whenDurable(made.epoch())
                                        .thenApply(
                                                done ->
                                                        new Checkpoint(
                                                                made.epoch(),
                                                                loop.nanoTime() - start)));
    }

    private CompletableFuture<Checkpoint> makeNext() {
        running = next;
        next = null;
        return makeNow();
    }

    private CompletableFuture<Checkpoint> makeNow() {
        final long start = loop.nanoTime();
        return group.checkpoint()
                .thenApply(
                        epoch -> {
                            lastNanos = loop.nanoTime() - start;
                            durations.recordValue(Math.min(lastNanos, DURATION_MAX));
                            return new Checkpoint(epoch, lastNanos);
                        });
    }

    /**
     * Makes one again and again: the next when the interval has passed since the beginning of the
     * one before, and that one has ended. None while replication has ended.
     *
     * @param onFailure hears of the first of each row of failures
     */
    public void makeEvery(final long intervalNanos, final Consumer<String> onFailure) {
        loop.schedule(intervalNanos, () -> makeAndGoOn(intervalNanos, onFailure, false));
    }

    private void makeAndGoOn(
            final long intervalNanos, final Consumer<String> onFailure, final boolean failing) {
        if (stopped) {
            return;
        }
        if (!group.ending().isEmpty()) {
            loop.schedule(intervalNanos, () -> makeAndGoOn(intervalNanos, onFailure, failing));
            return;
        }
        final long start = loop.nanoTime();
        loop.after(
                make(),
                (made, thrown) -> {
                    if (thrown != null && !failing) {
                        onFailure.accept(sentence(thrown));
                    }
                    final long left = intervalNanos - (loop.nanoTime() - start);
                    final long delay = thrown == null ? Math.max(0, left) : intervalNanos;
                    loop.schedule(
                            delay, () -> makeAndGoOn(intervalNanos, onFailure, thrown != null));
                });
    }

    private static String sentence(final Throwable thrown) {
        final Throwable cause = thrown.getCause() == null ? thrown : thrown.getCause();
        return String.valueOf(cause.getMessage());
    }

    /** Makes no more of those that come by themselves. */
    public void stop() {
        stopped = true;
    }

    /** What they took so far. */
    public Durations durations() {
        return new Durations(
                durations.getTotalCount(),
                lastNanos,
                durations.getValueAtPercentile(50),
                durations.getValueAtPercentile(99),
                durations.getMaxValue());
    }

    /** All of them, in nanoseconds, as they are now. */
    Histogram histogram() {
        return durations.copy();
    }
}
