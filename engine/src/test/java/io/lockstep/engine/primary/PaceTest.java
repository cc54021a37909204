package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** So many bytes in a second, whatever they come in. */
final class PaceTest {
    private static final long SECOND = 1_000_000_000;
    private static final long LIMIT = 10 << 20;

    private final Pace pace = new Pace();

    /** Times may be negative, and only their differences mean anything. */
    private long now = Long.MIN_VALUE / 2;

    private long secondsFor(final long bytes, final int piece) {
        final long start = now;
        for (long done = 0; done < bytes; done += piece) {
            now += pace.waitNanos(now);
            pace.took(piece, now);
        }
        now += pace.waitNanos(now);
        return (now - start) / (SECOND / 100);
    }

    @Test
    void withoutALimitNothingWaits() {
        assertEquals(0, secondsFor(1L << 40, 1 << 30));
    }

    @Test
    void aLimitHoldsWhateverThePieces() {
        pace.limit(LIMIT);
        final long small = secondsFor(5 * LIMIT, 4096);
        final long large = secondsFor(5 * LIMIT, 1 << 20);
        assertTrue(small >= 498 && small <= 501, small + " hundredths of a second");
        assertTrue(large >= 498 && large <= 511, large + " hundredths of a second");
    }

    @Test
    void whatWasNotUsedIsNotMadeUpFor() {
        pace.limit(LIMIT);
        now += 3600 * SECOND;
        assertTrue(secondsFor(LIMIT, 4096) >= 98);
    }

    @Test
    void aNewLimitCountsAtOnce() {
        pace.took(1L << 40, now);
        pace.limit(LIMIT);
        assertEquals(0, pace.waitNanos(now));
        pace.took(LIMIT, now);
        assertTrue(pace.waitNanos(now) > SECOND * 9 / 10);
        pace.limit(0);
        assertEquals(0, pace.waitNanos(now));
    }

    @Test
    void whatWasBegunWithAtALowRateDoesNotHoldUpAHighOne() {
        pace.limit(LIMIT);
        pace.took(LIMIT, now);
        pace.limit(100 * LIMIT);
        assertTrue(pace.waitNanos(now) <= SECOND / 100);
    }
}
