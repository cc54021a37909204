package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.concurrent.TimeUnit;

/** {@code lockstep switchover} on real processes: nothing is lost, and nobody else is a primary. */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
final class SwitchoverTest {
    private static final int LENGTH = 4 << 20;

    @AutoClose private final Rig rig = new Rig();

    private final NodeHost north = new NodeHost(rig, "n", "sl", LENGTH, "--first", "primary");
    private final NodeHost south = new NodeHost(rig, "s", "nl", LENGTH, "--first", "secondary");

    private void startBoth() {
        south.start();
        north.start();
        north.awaitHealed();
    }

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    /** There and back, from either side, and the guests write all the time. */
    @Test
    void rolesAreSwitchedUnderLoadAndNothingAcknowledgedIsLost() {
        startBoth();
        NodeHost primary = north;
        NodeHost secondary = south;
        long next = 1;
        for (int round = 0; round < 4; round++) {
            final AcknowledgedWrites guest =
                    AcknowledgedWrites.start(rig, primary.guest(), 0, next);
            guest.await(200);
            final Tool.Output done = (round % 2 == 0 ? primary : secondary).switchover();
            done.requireSuccess();
            assertContains("the roles are switched, at epoch ", done.out());
            next = guest.verify(secondary.disk());
            final NodeHost before = primary;
            primary = secondary;
            secondary = before;
            primary.awaitHealed();
            assertEquals("following", secondary.standing());
            assertEquals("reigning", primary.standing());
            assertArrayEquals(Rig.read(primary.disk()), Rig.read(secondary.disk()));
        }
    }
}
