package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.concurrent.TimeUnit;

/** Processes that stand still and close nothing, as a host does that is gone. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
final class PeerTimeoutTest {
    private static final int LENGTH = 4 << 20;

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair =
            new ReplicatedPair(rig, "", 1, LENGTH)
                    .withPrimary("--peer-timeout", "1s")
                    .withSecondary("--peer-timeout", "1s");

    private void write(final int value) {
        rig.python(
                """
                h = connect(sys.argv[1])
                for i in range(50):
                    h.pwrite(bytes([int(sys.argv[2])]) * 4096, i * 4096)
                """,
                pair.guest("a"),
                "" + value);
    }

    private static void awaitParted(final Control control) {
        control.await("left", status -> !status.get("linked").getAsBoolean());
    }

    /** Then a failover need not be forced. */
    @Test
    void aPrimaryThatStandsStillIsLost() {
        pair.start();
        write(1);
        pair.checkpoint();
        write(2);
        pair.requireEqual();
        pair.primary().signal("STOP");
        try (Control control = pair.secondaryControl()) {
            awaitParted(control);
            control.execute("x-lockstep-failover");
            control.awaitMerged();
        } finally {
            pair.primary().signal("CONT");
        }
        assertEquals(1, Rig.read(pair.secondaryDisk("a"))[0]);
    }

    /** A guest that may not be ahead of it goes on without. */
    @Test
    void aSecondaryThatStandsStillIsLostAndFoundAgain() {
        pair.withPrimary("--max-lag", "1ms").start();
        write(1);
        pair.secondary().signal("STOP");
        try (Control control = pair.primaryControl()) {
            write(2);
            awaitParted(control);
            write(3);
            pair.secondary().signal("CONT");
            control.awaitLink();
        }
        pair.requireEqual();
        assertEquals(3, Rig.read(pair.secondaryDisk("a"))[0]);
    }

    @Test
    void aTimeoutInWhichThereAreNoHeartbeatsIsRefused() {
        final Tool.Output output =
                rig.lockstep(
                        "secondary",
                        "--disk",
                        "a=" + pair.secondaryDisk("a"),
                        "--listen",
                        "nbd+unix:///?socket=" + rig.path("l"),
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("g"),
                        "--control",
                        rig.path("c").toString(),
                        "--peer-timeout",
                        "500ms");
        assertEquals(2, output.exitCode(), output::toString);
        assertTrue(output.err().contains("--peer-timeout must be at least 1s"), output::toString);
    }
}
