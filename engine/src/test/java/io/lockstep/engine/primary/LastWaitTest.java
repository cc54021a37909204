package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import org.junit.jupiter.api.Test;

import java.util.concurrent.TimeUnit;

/** An end waits for a secondary that answers, for a while, and hardly for one that doesn't. */
final class LastWaitTest {
    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private final ClockLoop loop = new ClockLoop();
    private long answered = 7;
    private int overs;
    private final LastWait wait = new LastWait(loop, () -> answered, () -> overs++);

    private void pass(final long nanos) {
        final long end = loop.now + nanos;
        while (loop.action != null && loop.due <= end) {
            loop.now = loop.due;
            final Runnable action = loop.action;
            loop.action = null;
            action.run();
        }
        loop.now = end;
    }

    @Test
    void aSilentSecondaryIsWaitedForASecond() {
        wait.begin();
        pass(LastWait.SILENCE_NANOS - 1);
        assertFalse(wait.isOver());
        wait.begin(); // asked again it goes on
        pass(1);
        assertTrue(wait.isOver());
        pass(LastWait.ALL_NANOS);
        assertEquals(1, overs);
    }

    @Test
    void oneThatAnswersIsWaitedForLonger() {
        wait.begin();
        for (long passed = STEP_NANOS; passed < LastWait.ALL_NANOS; passed += STEP_NANOS) {
            answered++;
            pass(STEP_NANOS);
            assertFalse(wait.isOver(), () -> "after " + loop.now);
        }
        answered++;
        pass(STEP_NANOS);
        assertTrue(wait.isOver());
        assertEquals(1, overs);
    }

    /** A clock that stands until it is moved, and one timer. */
    private static final class ClockLoop implements IoLoop {
        private long now = 1;
        private long due;
        private Runnable action;

        @Override
        public long nanoTime() {
            return now;
        }

        @Override
        public Timer schedule(final long delayNanos, final Runnable scheduled) {
            assertEquals(null, action);
            due = now + delayNanos;
            action = scheduled;
            return () -> {};
        }

        @Override
        public void execute(final Runnable task) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Listener listen(final Endpoint endpoint, final AcceptHandler handler) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void connect(final Endpoint endpoint, final ConnectHandler handler) {
            throw new UnsupportedOperationException();
        }
    }
}
