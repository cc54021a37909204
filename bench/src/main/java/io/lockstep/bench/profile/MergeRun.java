package io.lockstep.bench.profile;

import io.lockstep.bench.load.PacedGuest;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;
import java.util.concurrent.TimeUnit;

/**
 * A failover, and the merge behind it with a guest on the node that took over. One thread's.
 *
 * @param seconds from the answer to the order until the disk is plain
 * @param during the guest's writes that fell due in that time
 * @param behind those of the same guest when it was over
 */
record MergeRun(double seconds, Measurement during, Measurement behind) {
    /** Of the guest. */
    static final double WRITES_PER_SECOND = 2000;

    /** It is looked so often whether the disk is plain. */
    static final int POLL_MILLIS = 5;

    /** So long the guest writes behind the merge, if that did not take longer. */
    static final double BEHIND_SECONDS_MIN = 1;

    private static final double SECONDS_MAX = 120;

    /** Answers how many seconds the merge takes when nobody uses the disk. */
    static double alone(final LockstepPair pair) throws IOException, InterruptedException {
        pair.killPrimary();
        pair.failOver();
        return awaitMerged(pair, System.nanoTime());
    }

    /**
     * With a guest, which was connected before.
     *
     * @param flushEvery how many of its writes a flush follows; 0: none
     * @param area of the disk that it writes, in bytes
     */
    static MergeRun withGuest(
            final LockstepPair pair, final int flushEvery, final long area, final long seed)
            throws IOException, InterruptedException {
        pair.killPrimary();
        final double seconds;
        final Measurement during;
        try (GuestBeside guest = guest(pair, flushEvery, area, seed)) {
            pair.failOver();
            final long start = System.nanoTime();
            guest.begin();
            seconds = awaitMerged(pair, start);
            during = guest.end();
        }
        try (GuestBeside guest = guest(pair, flushEvery, area, seed + 1)) {
            guest.begin();
            look(pair, Math.max(seconds, BEHIND_SECONDS_MIN));
            return new MergeRun(seconds, during, guest.end());
        }
    }

    private static GuestBeside guest(
            final LockstepPair pair, final int flushEvery, final long area, final long seed)
            throws IOException, InterruptedException {
        return GuestBeside.connect(
                new PacedGuest(WRITES_PER_SECOND, flushEvery, area, SECONDS_MAX, seed),
                pair.secondaryGuestUri());
    }

    private static double awaitMerged(final LockstepPair pair, final long start)
            throws IOException, InterruptedException {
        while (!pair.isMerged()) {
            if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos((long) SECONDS_MAX)) {
                throw new IOException("the merge came to no end");
            }
            Thread.sleep(POLL_MILLIS);
        }
        return (System.nanoTime() - start) / 1e9;
    }

    /** Asks as often as when it is waited for, so that it costs the guest the same. */
    private static void look(final LockstepPair pair, final double seconds)
            throws IOException, InterruptedException {
        final long end = System.nanoTime() + (long) (seconds * 1e9);
        while (System.nanoTime() < end) {
            if (!pair.isMerged()) {
                throw new IOException("the disk is no longer plain");
            }
            Thread.sleep(POLL_MILLIS);
        }
    }
}
