package io.lockstep.bench.load;

import io.lockstep.bench.peer.ReplicationPair;

import org.HdrHistogram.Histogram;
import org.HdrHistogram.SingleWriterRecorder;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Checkpoints a pair at a steady rate, or as fast as it can, on a thread of its own, as a manager
 * would. A checkpoint's duration counts from the moment at which it was due.
 */
public final class CheckpointTicker implements AutoCloseable {
    private static final long DURATION_MAX_NANOS = TimeUnit.MINUTES.toNanos(10);
    private static final int DIGITS = 3;

    private final ReplicationPair pair;
    private final PausableGuest guest;
    private final long intervalNanos;
    private final Thread thread;
    private final SingleWriterRecorder intervals =
            new SingleWriterRecorder(DURATION_MAX_NANOS, DIGITS);
    private final ConcurrentLinkedQueue<Checkpoint> made = new ConcurrentLinkedQueue<>();
    private volatile boolean isEnding;
    private volatile IOException failure;

    /**
     * One of them.
     *
     * @param dueNanos when, by {@link System#nanoTime}
     * @param nanos how long it took from then
     * @param orderedNanos how long it took from when it was ordered: later, where the one before
     *     took longer than the interval
     */
    public record Checkpoint(long dueNanos, long nanos, long orderedNanos) {}

    private CheckpointTicker(
            final ReplicationPair pair, final PausableGuest guest, final double perSecond) {
        this.pair = pair;
        this.guest = guest;
        intervalNanos = perSecond == 0 ? 0 : (long) (TimeUnit.SECONDS.toNanos(1) / perSecond);
        thread = new Thread(this::tick, "lockstep-checkpoints");
    }

    /**
     * Starts.
     *
     * @param guest is paused for each checkpoint where the pair needs that; null for none
     * @param perSecond the first one is due when one interval is over; 0: none is
     */
    public static CheckpointTicker start(
            final ReplicationPair pair, final PausableGuest guest, final double perSecond) {
        final CheckpointTicker ticker = new CheckpointTicker(pair, guest, perSecond);
        if (perSecond > 0) {
            ticker.thread.start();
        }
        return ticker;
    }

    private void tick() {
        long due = System.nanoTime() + intervalNanos;
        try {
            while (waitUntil(due)) {
                final long ordered = System.nanoTime();
                checkpoint();
                final long end = System.nanoTime();
                intervals.recordValue(Math.min(end - due, DURATION_MAX_NANOS));
                made.add(new Checkpoint(due, end - due, end - ordered));
                due += intervalNanos;
            }
        } catch (final IOException e) {
            failure = e;
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Answers whether it goes on. */
    private boolean waitUntil(final long due) {
        while (!isEnding && System.nanoTime() < due) {
            LockSupport.parkNanos(due - System.nanoTime());
        }
        return !isEnding;
    }

    private void checkpoint() throws IOException, InterruptedException {
        if (guest != null && pair.pausesItsGuest()) {
            guest.pause();
            pair.checkpoint();
            guest.resume();
        } else {
            pair.checkpoint();
        }
    }

    /** All durations since the call before, in nanoseconds; by one thread. */
    public Histogram interval() {
        return intervals.getIntervalHistogram();
    }

    /** Ends it; answers the checkpoints that there were. */
    public List<Checkpoint> end() throws IOException, InterruptedException {
        isEnding = true;
        LockSupport.unpark(thread);
        thread.join();
        if (failure != null) {
            throw failure;
        }
        return List.copyOf(made);
    }

    @Override
    public void close() {
        isEnding = true;
        LockSupport.unpark(thread);
        try {
            thread.join();
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
