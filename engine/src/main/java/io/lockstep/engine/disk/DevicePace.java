package io.lockstep.engine.disk;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * Whether the calls on a file return at once at present, as they do while the page cache takes what
 * is written, or may stand still: then they are no loop's. A loop that had to leave one says so.
 * Helper threads make the calls from then on, until there has been none for a while that stood
 * still: the longer a while, the sooner after the last time a loop had to leave one again.
 *
 * <p>From any thread. Only {@link #isSlow} is on the way of a call that returns at once; it takes
 * no lock.
 */
final class DevicePace {
    /** A call that goes on for so long may stand still. */
    private static final long LONG_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

    /** How long helper threads make the calls, at least and at most. */
    private static final long CALM_NANOS_MIN = TimeUnit.MILLISECONDS.toNanos(50);

    private static final long CALM_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(1600);

    /** What has gone well for so long is forgotten. */
    private static final long WELL_NANOS = TimeUnit.SECONDS.toNanos(2);

    private static final long NONE = Long.MIN_VALUE;
    private static final int FIRST_CAPACITY = 16;

    private volatile boolean isSlow;

    /** When a loop left a call, or one that was left returned, the last time. */
    private long leftNanos;

    private long calmNanos = CALM_NANOS_MIN;

    /** When loops made the calls again. */
    private long wellNanos;

    /** When each of the calls under way began. */
    private long[] beginnings = new long[FIRST_CAPACITY];

    DevicePace() {
        Arrays.fill(beginnings, NONE);
    }

    /** Whether a loop leaves its calls to helper threads. */
    boolean isSlow() {
        return isSlow;
    }

    /** A loop has left a call that stands still. Answers what {@link #returned} takes. */
    synchronized int left(final long nowNanos) {
        if (!isSlow) {
            final boolean isAgain = leftNanos != 0 && nowNanos - wellNanos < WELL_NANOS;
            calmNanos = isAgain ? Math.min(2 * calmNanos, CALM_NANOS_MAX) : CALM_NANOS_MIN;
        }
        isSlow = true;
        leftNanos = nowNanos;
        return begin(nowNanos);
    }

    /** A call has returned that a loop had left. */
    synchronized void returned(final int place, final long nowNanos) {
        leftNanos = nowNanos;
        end(place, nowNanos);
    }

    /** A helper thread begins a call. Answers what {@link #end} takes. */
    synchronized int begin(final long nowNanos) {
        int place = 0;
        while (place < beginnings.length && beginnings[place] != NONE) {
            place++;
        }
        if (place == beginnings.length) {
            beginnings = Arrays.copyOf(beginnings, 2 * place);
            Arrays.fill(beginnings, place, 2 * place, NONE);
        }
        beginnings[place] = nowNanos;
        return place;
    }

    /** A helper thread's call has returned. */
    synchronized void end(final int place, final long nowNanos) {
        beginnings[place] = NONE;
        if (isSlow && nowNanos - leftNanos >= calmNanos && !isAnyLong(nowNanos)) {
            isSlow = false;
            wellNanos = nowNanos;
        }
    }

    private boolean isAnyLong(final long nowNanos) {
        for (final long beginning : beginnings) {
            if (beginning != NONE && nowNanos - beginning >= LONG_NANOS) {
                return true;
            }
        }
        return false;
    }
}
