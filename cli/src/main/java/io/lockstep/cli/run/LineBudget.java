package io.lockstep.cli.run;

import java.util.concurrent.TimeUnit;

/**
 * How many lines of one kind may be printed: {@link #LINES} in each {@link #NANOS}; the others are
 * counted. A disk or a client may run into an error a thousand times a second. From any thread; the
 * caller says what time it is.
 */
final class LineBudget {
    /** So many lines at once are still read. */
    static final int LINES = 10;

    /** A stretch of time, in nanoseconds. */
    static final long NANOS = TimeUnit.SECONDS.toNanos(10);

    private long begun;
    private int printed;
    private long leftOut;

    /** All of it is there. */
    LineBudget(final long now) {
        begun = now;
    }

    /** Asks for a line; one that is refused counts as left out. */
    synchronized boolean take(final long now) {
        if (now - begun >= NANOS) {
            begun = now;
            printed = 0;
        }
        if (printed == LINES) {
            leftOut++;
            return false;
        }
        printed++;
        return true;
    }

    /** How many were left out since this was asked last. */
    synchronized long leftOut() {
        final long count = leftOut;
        leftOut = 0;
        return count;
    }
}
