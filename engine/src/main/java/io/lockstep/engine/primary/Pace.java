package io.lockstep.engine.primary;

import java.util.concurrent.TimeUnit;

/**
 * How fast something may be done: so many bytes in a second at most, a little at a time. Without
 * clock or thread; single threaded.
 */
final class Pace {
    /** What was not used of so long a time may be made up for. */
    private static final long BURST_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private static final double SECOND = TimeUnit.SECONDS.toNanos(1);

    /** Bytes a second; 0 for any. */
    private long limit;

    /** What was done beyond what may have been, as the time that it takes to make up for it. */
    private long debtNanos;

    /** When that was so; says nothing before anything was done. */
    private long lastNanos;

    private boolean hasBegun;

    /** Sets what may be done in a second, in bytes; 0 for any. */
    void limit(final long bytes) {
        if (bytes != limit && bytes > 0 && debtNanos > 0) {
            debtNanos = (long) (debtNanos * ((double) limit / bytes)); // it is made up for so soon
        }
        limit = bytes;
    }

    /** What may be done in a second, in bytes; 0 for any. */
    long limit() {
        return limit;
    }

    /** So many bytes were begun with. */
    void took(final long bytes, final long nowNanos) {
        debtNanos = Math.max(-BURST_NANOS, debt(nowNanos));
        if (limit > 0) {
            debtNanos += (long) (bytes * SECOND / limit);
        }
        lastNanos = nowNanos;
        hasBegun = true;
    }

    /** How long to wait before more is begun with; 0 where it may be now. */
    long waitNanos(final long nowNanos) {
        return limit == 0 ? 0 : Math.max(0, debt(nowNanos));
    }

    /** Only differences of times mean anything. */
    private long debt(final long nowNanos) {
        return hasBegun ? debtNanos - (nowNanos - lastNanos) : 0;
    }
}
