package io.lockstep.engine.throttle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;

/** What a group lets through in a time, whatever it comes in, and whoever asks. */
final class ThrottleGroupTest {
    private static final long SECOND = 1_000_000_000;
    private static final long RATE = 10 << 20;

    private final ThrottleGroup group = new ThrottleGroup();

    /** Times may be negative, and only their differences mean anything. */
    private long now = Long.MIN_VALUE / 2;

    private static ThrottleLimits bytes(final ThrottleRate rate) {
        final ThrottleRate any = ThrottleRate.ANY;
        return new ThrottleLimits(rate, any, any, any, any, any, 0);
    }

    private static ThrottleRate average(final long rate) {
        return new ThrottleRate(rate, 0, 1);
    }

    /** How long so many bytes take, one piece behind the other. */
    private double secondsFor(
            final ThrottleDirection direction, final long bytes, final int piece) {
        final long start = now;
        for (long done = 0; done < bytes; done += piece) {
            now += group.reserve(direction, piece, now);
        }
        return (double) (now - start) / SECOND;
    }

    private static void assertAbout(final double expected, final double actual) {
        assertEquals(expected, actual, 0.02 * expected);
    }

    @Test
    void withoutLimitsNothingWaits() {
        assertFalse(group.isLimiting());
        assertEquals(0, secondsFor(ThrottleDirection.WRITE, 1L << 40, 1 << 30));
    }

    @Test
    void theAverageHoldsWhateverThePieces() {
        group.limits(bytes(average(RATE)));
        assertAbout(4.9, secondsFor(ThrottleDirection.WRITE, 5 * RATE, 4096)); // 0.1 s at once
        now += 3600 * SECOND;
        assertAbout(4.9, secondsFor(ThrottleDirection.READ, 5 * RATE, 64 << 10));
        now += 3600 * SECOND;
        final double long1 = secondsFor(ThrottleDirection.READ, 50 * RATE, 20 << 20);
        assertTrue(long1 > 47 && long1 < 50, long1 + " s"); // one piece is begun with at once
    }

    @Test
    void readsAndWritesAreLimitedTogetherOrApart() {
        group.limits(bytes(average(RATE)));
        final long start = now;
        for (int i = 0; i < 1000; i++) {
            now += group.reserve(ThrottleDirection.READ, 64 << 10, now);
            now += group.reserve(ThrottleDirection.WRITE, 64 << 10, now);
        }
        assertAbout(12.4, (double) (now - start) / SECOND);
        final ThrottleRate any = ThrottleRate.ANY;
        group.limits(new ThrottleLimits(any, any, average(RATE), any, any, any, 0));
        assertEquals(0, secondsFor(ThrottleDirection.READ, 1L << 40, 1 << 30));
        assertAbout(4.9, secondsFor(ThrottleDirection.WRITE, 5 * RATE, 4096));
    }

    @Test
    void operationsAreCountedAndLongOnesAreSeveral() {
        final ThrottleRate any = ThrottleRate.ANY;
        group.limits(new ThrottleLimits(any, any, any, average(100), any, any, 0));
        assertAbout(9.9, secondsFor(ThrottleDirection.WRITE, 1000 * 4096, 4096));
        group.limits(new ThrottleLimits(any, any, any, average(100), any, any, 4096));
        assertAbout(9.9, secondsFor(ThrottleDirection.WRITE, 1000 * 4096, 10 * 4096));
        group.limits(new ThrottleLimits(any, any, any, any, average(100), any, 0));
        assertAbout(9.9, secondsFor(ThrottleDirection.READ, 1000 * 4096, 4096));
        assertEquals(0, secondsFor(ThrottleDirection.WRITE, 1000 * 4096, 4096));
    }

    /** A burst of a second is there at once; one of more goes at its rate. */
    @Test
    void aBurstIsWhatWasNotUsedBefore() {
        group.limits(bytes(new ThrottleRate(RATE, 5 * RATE, 1)));
        assertEquals(0, secondsFor(ThrottleDirection.WRITE, 5 * RATE, 4096));
        assertAbout(1, secondsFor(ThrottleDirection.WRITE, RATE, 4096));
        group.limits(bytes(new ThrottleRate(RATE, 5 * RATE, 4)));
        final double burst = secondsFor(ThrottleDirection.WRITE, 20 * RATE, 4096);
        assertTrue(burst > 3.8 && burst < 4, burst + " s"); // of 20, 4 have gone meanwhile
        final double more = secondsFor(ThrottleDirection.WRITE, 10 * RATE, 4096);
        assertTrue(more > 5.5 && more < 6.5, more + " s");
    }

    @Test
    void otherLimitsCountAtOnceAndAreHeardOf() {
        final List<String> heard = new ArrayList<>();
        final Throttle throttle = new Throttle(List.of(group));
        final Throttle.Listening listening = throttle.listen(() -> heard.add("changed"));
        group.limits(bytes(average(1)));
        assertEquals(0, throttle.reserve(ThrottleDirection.WRITE, 1 << 20, now));
        assertTrue(throttle.reserve(ThrottleDirection.WRITE, 1, now) > 3600 * SECOND);
        group.lift();
        assertFalse(throttle.isLimiting());
        assertEquals(0, throttle.reserve(ThrottleDirection.WRITE, 1 << 20, now));
        group.impose();
        assertTrue(throttle.isLimiting());
        group.limits(ThrottleLimits.NONE);
        assertEquals(0, throttle.reserve(ThrottleDirection.WRITE, 1 << 20, now));
        assertEquals(List.of("changed", "changed", "changed", "changed"), heard);
        listening.close();
        group.limits(bytes(average(1)));
        assertEquals(4, heard.size());
    }

    /** So that a loop's timers stay in their order. */
    @Test
    void noTurnIsBehindTheEndOfTime() {
        group.limits(bytes(average(1)));
        now = Long.MAX_VALUE / 2;
        group.reserve(ThrottleDirection.WRITE, Long.MAX_VALUE, now);
        final long wait = group.reserve(ThrottleDirection.WRITE, 1, now);
        assertTrue(wait > 365L * 24 * 3600 * SECOND && now + wait > 0, wait + " ns");
    }

    /** The slower one decides. */
    @Test
    void severalGroupsAreOneBehindTheOther() {
        final ThrottleGroup slower = new ThrottleGroup();
        slower.limits(bytes(average(RATE / 2)));
        group.limits(bytes(average(RATE)));
        final Throttle both = new Throttle(List.of(group, slower));
        final long start = now;
        for (int i = 0; i < 1000; i++) {
            now += both.reserve(ThrottleDirection.WRITE, 64 << 10, now);
        }
        assertAbout(12.4, (double) (now - start) / SECOND);
    }
}
