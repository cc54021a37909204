package io.lockstep.engine.throttle;

import java.util.concurrent.TimeUnit;

/**
 * Keeps to one {@link ThrottleRate}: what goes is poured in, what may go leaks out, and as long as
 * there is more in it than it holds the next one waits. What is poured in may be more than it
 * holds; then those behind wait longer, so that the average is kept whatever comes. Without clock
 * or thread; single threaded; allocates nothing. Source: QEMU's {@code docs/throttle.txt}.
 */
final class LeakyBucket {
    private static final double SECOND = TimeUnit.SECONDS.toNanos(1);

    /** What may go at once where nothing is said, as a part of what may go in a second. */
    private static final double AT_ONCE = 0.1;

    /** Decades, in nanoseconds: a time that a clock can still be set to. */
    private static final double WAIT_MAX = Long.MAX_VALUE / 4.0;

    private final ThrottleRate rate;

    /** What went beyond the average, in units. */
    private double level;

    /** What went beyond the rate of a burst. */
    private double burstLevel;

    /** Empty. */
    LeakyBucket(final ThrottleRate rate) {
        this.rate = rate;
    }

    /** So much time has gone by. */
    void leak(final long nanos) {
        level = Math.max(0, level - rate.average() * (nanos / SECOND));
        burstLevel = Math.max(0, burstLevel - rate.burst() * (nanos / SECOND));
    }

    /** How long the next one waits; 0 where it may go. */
    long waitNanos() {
        if (!rate.isLimiting()) {
            return 0;
        }
        final boolean hasBurst = rate.burst() > 0;
        final double room =
                hasBurst ? (double) rate.burst() * rate.burstSeconds() : rate.average() * AT_ONCE;
        final double wait = Math.max(0, level - room) / rate.average();
        // A burst of more than a second goes at its own rate, not at once.
        final double burstWait =
                hasBurst && rate.burstSeconds() > 1
                        ? Math.max(0, burstLevel - rate.burst() * AT_ONCE) / rate.burst()
                        : 0;
        return (long) Math.min(WAIT_MAX, Math.ceil(Math.max(wait, burstWait) * SECOND));
    }

    /** One goes, or will when its turn has come. */
    void pour(final double units) {
        level += units;
        burstLevel += units;
    }
}
