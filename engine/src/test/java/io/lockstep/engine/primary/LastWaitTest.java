package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.concurrent.TimeUnit;

/** An end waits for a secondary that answers, for a while, and hardly for one that doesn't. */
final class LastWaitTest {
    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private final ClockLoop loop = new ClockLoop();
    private long answered = 7;
    private int overs;
    private final LastWait wait = new LastWait(loop, () -> answered, () -> overs++);

    @Test
    void aSilentSecondaryIsWaitedForASecond() {
        wait.begin();
        loop.pass(LastWait.SILENCE_NANOS - 1);
        assertFalse(wait.isOver());
        wait.begin(); // asked again it goes on
        loop.pass(1);
        assertTrue(wait.isOver());
        loop.pass(LastWait.ALL_NANOS);
        assertEquals(1, overs);
    }

    @Test
    void oneThatAnswersIsWaitedForLonger() {
        wait.begin();
        for (long passed = STEP_NANOS; passed < LastWait.ALL_NANOS; passed += STEP_NANOS) {
            answered++;
            loop.pass(STEP_NANOS);
            assertFalse(wait.isOver(), () -> "after " + loop.nanoTime());
        }
        answered++;
        loop.pass(STEP_NANOS);
        assertTrue(wait.isOver());
        assertEquals(1, overs);
    }
}
