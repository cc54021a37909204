package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

final class DevicePaceTest {
    private static final long MS = 1_000_000;

    private final DevicePace pace = new DevicePace();
    private long now = 1000 * MS;

    private void helperCall(final long nanos) {
        final int place = pace.begin(now);
        now += nanos;
        pace.end(place, now);
    }

    /** Helper threads make calls until loops do again. Answers how long that took, in ms. */
    private long untilLoopsDo() {
        final long start = now;
        while (pace.isSlow()) {
            helperCall(MS / 10);
        }
        return (now - start) / MS;
    }

    private void leave() {
        final int place = pace.left(now);
        now += 5 * MS;
        pace.returned(place, now);
    }

    @Test
    void helpersMakeTheCallsAfterOneStoodStillAndLoopsSomeTimeLater() {
        assertFalse(pace.isSlow());
        leave();
        assertTrue(pace.isSlow());
        final long duration = untilLoopsDo();
        assertTrue(duration >= 49 && duration <= 52, () -> duration + " ms");
    }

    @Test
    void whileACallStandsStillNoLoopMakesAnother() {
        final int standing = pace.left(now);
        for (int i = 0; i < 1000; i++) {
            helperCall(50 * MS);
            assertTrue(pace.isSlow());
        }
        pace.returned(standing, now);
        assertTrue(pace.isSlow());
        untilLoopsDo();
    }

    /** Where loops are held up again and again it becomes rare. */
    @Test
    void theSoonerItStandsStillAgainTheLongerHelpersMakeTheCalls() {
        long before = 0;
        for (int i = 0; i < 6; i++) {
            leave();
            final long duration = untilLoopsDo();
            final long shorter = before;
            assertTrue(duration >= 2 * shorter - 2, () -> duration + " ms after " + shorter);
            before = duration;
        }
        leave();
        assertTrue(untilLoopsDo() <= 1602);
        now += 3000 * MS;
        leave();
        assertTrue(untilLoopsDo() <= 52, "what went well for long is no sign any more");
    }

    @Test
    void anyNumberOfCallsMayBeUnderWay() {
        leave();
        final int[] places = new int[100];
        for (int i = 0; i < places.length; i++) {
            places[i] = pace.begin(now);
        }
        now += 1000 * MS;
        for (int i = 0; i < places.length; i++) {
            assertTrue(pace.isSlow());
            pace.end(places[i], now);
        }
        assertFalse(pace.isSlow());
    }
}
