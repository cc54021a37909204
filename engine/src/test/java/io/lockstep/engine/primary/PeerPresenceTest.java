package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** A secondary that was cut off is waited for so long, and not longer. */
final class PeerPresenceTest {
    private static final long PATIENCE_NANOS = 1000;

    private final ClockLoop loop = new ClockLoop();
    private int aways;
    private final PeerPresence presence =
            new PeerPresence(loop, "host:10809", PATIENCE_NANOS, () -> aways++);

    @Test
    void oneThatHasNotComeIsAway() {
        assertTrue(presence.isAway());
        presence.onUp(false);
        assertFalse(presence.isAway());
    }

    @Test
    void oneThatIsCutOffIsAwayWhenItDoesNotComeBackInTime() {
        presence.onUp(false);
        presence.onDown("connection reset");
        loop.pass(PATIENCE_NANOS - 1);
        assertFalse(presence.isAway());
        loop.pass(1);
        assertTrue(presence.isAway());
        assertEquals(1, aways);
    }

    @Test
    void oneThatIsLostTwiceAndComesBackIsThere() {
        presence.onUp(false);
        presence.onDown("connection reset");
        loop.pass(PATIENCE_NANOS / 2);
        presence.onDown("attached, and lost before anybody knew");
        loop.pass(PATIENCE_NANOS / 4);
        presence.onUp(false);
        loop.pass(2 * PATIENCE_NANOS);
        assertTrue(presence.isLinked());
        assertFalse(presence.isAway());
        assertEquals(0, aways);
    }
}
