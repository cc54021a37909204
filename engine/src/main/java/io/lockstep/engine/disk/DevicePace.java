package io.lockstep.engine.disk;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * Whether the calls on a file return at once at present, as they do while the page cache takes what
 * is written, or may stand still: then they are no loop's. A loop that had to leave one says so;
 * helper threads, which make the calls from then on, see when that is over.
 *
 * <p>From any thread. Only {@link #isSlow} is on the way of a call that returns at once; it takes
 * no lock.
 */
final class DevicePace {
    /** A call that takes so long is a slow one. */
    private static final long SLOW_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

    /** So long there must have been no slow call, and none that goes on and may become one. */
    private static final long CALM_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    private static final long NONE = Long.MIN_VALUE;
    private static final int FIRST_CAPACITY = 16;

    private volatile boolean isSlow;

    /** Since when no call was slow. */
    private long calmSince;

    /** When each of the calls under way began. */
    private long[] beginnings = new long[FIRST_CAPACITY];

    DevicePace() {
        Arrays.fill(beginnings, NONE);
    }

    /** Whether a loop leaves its calls to helper threads. */
    boolean isSlow() {
        return isSlow;
    }

    /** A loop has left a call that stands still. Answers what {@link #end} takes. */
    synchronized int left(final long nowNanos) {
        isSlow = true;
        calmSince = nowNanos;
        return begin(nowNanos);
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

    /** A call has returned. */
    synchronized void end(final int place, final long nowNanos) {
        if (nowNanos - beginnings[place] >= SLOW_NANOS) {
            calmSince = nowNanos;
        }
        beginnings[place] = NONE;
        if (isSlow && nowNanos - calmSince >= CALM_NANOS && !isAnyLong(nowNanos)) {
            isSlow = false;
        }
    }

    private boolean isAnyLong(final long nowNanos) {
        for (final long beginning : beginnings) {
            if (beginning != NONE && nowNanos - beginning >= SLOW_NANOS) {
                return true;
            }
        }
        return false;
    }
}
