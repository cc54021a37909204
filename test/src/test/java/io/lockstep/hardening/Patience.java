package io.lockstep.hardening;

import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/**
 * A deadline for somebody who looks again and again. Time counts only while there are looks: where
 * the whole machine stood still, the server has had no more time than the test.
 */
final class Patience {
    private static final long PAUSE_NANOS = 50_000;
    private static final long COUNTED_NANOS_MAX = 50_000_000;

    private long remainingNanos;
    private long lastLookNanos = System.nanoTime();

    Patience(final Duration limit) {
        remainingNanos = limit.toNanos();
    }

    /** Waits a moment before the next look. Answers whether there may be one. */
    boolean pause() {
        LockSupport.parkNanos(PAUSE_NANOS);
        final long now = System.nanoTime();
        remainingNanos -= Math.min(COUNTED_NANOS_MAX, now - lastLookNanos);
        lastLookNanos = now;
        return remainingNanos > 0;
    }

    /**
     * Waits a moment before the next look.
     *
     * @throws AssertionError where there may be none, with what the server's threads are doing
     */
    void pauseOrFail(final String failure) {
        if (!pause()) {
            fail(failure + ", within the deadline; meanwhile" + serverThreads());
        }
    }

    /** Begins anew: there was progress. */
    void renew(final Duration limit) {
        remainingNanos = limit.toNanos();
        lastLookNanos = System.nanoTime();
    }

    private static String serverThreads() {
        final StringBuilder text = new StringBuilder();
        for (final Map.Entry<Thread, StackTraceElement[]> entry :
                Thread.getAllStackTraces().entrySet()) {
            if (entry.getKey().getName().startsWith("lockstep-")) {
                text.append("\n  ").append(entry.getKey().getName());
                text.append(' ').append(entry.getKey().getState());
                for (final StackTraceElement element : entry.getValue()) {
                    text.append("\n    ").append(element);
                }
            }
        }
        return text.toString();
    }
}
