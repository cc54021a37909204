package io.lockstep.bench;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Checkpoints a pair at a steady rate, or as fast as it can, on a thread of its own. */
final class CheckpointTicker implements AutoCloseable {
    private final ReplicationPair pair;
    private final PausableGuest guest;
    private final long intervalNanos;
    private final Thread thread;
    private volatile boolean isEnding;
    private volatile IOException failure;
    private volatile int count;

    private CheckpointTicker(
            final ReplicationPair pair, final PausableGuest guest, final int perSecond) {
        this.pair = pair;
        this.guest = guest;
        intervalNanos = TimeUnit.SECONDS.toNanos(1) / perSecond;
        thread = new Thread(this::tick, "lockstep-checkpoints");
    }

    /** Starts; the guest is paused for each checkpoint where the pair needs that. */
    static CheckpointTicker start(
            final ReplicationPair pair, final PausableGuest guest, final int perSecond) {
        final CheckpointTicker ticker = new CheckpointTicker(pair, guest, perSecond);
        ticker.thread.start();
        return ticker;
    }

    private void tick() {
        long next = System.nanoTime();
        int done = 0;
        try {
            while (!isEnding) {
                checkpoint();
                count = ++done;
                next = Math.max(next + intervalNanos, System.nanoTime());
                while (!isEnding && System.nanoTime() < next) {
                    LockSupport.parkNanos(next - System.nanoTime());
                }
            }
        } catch (final IOException e) {
            failure = e;
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void checkpoint() throws IOException, InterruptedException {
        if (pair.pausesItsGuest()) {
            guest.pause();
            pair.checkpoint();
            guest.resume();
        } else {
            pair.checkpoint();
        }
    }

    /** Ends it; answers how many checkpoints there were. */
    int end() throws IOException, InterruptedException {
        isEnding = true;
        LockSupport.unpark(thread);
        thread.join();
        if (failure != null) {
            throw failure;
        }
        return count;
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
