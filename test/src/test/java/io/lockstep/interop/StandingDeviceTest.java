package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * A disk whose device stands still in a write: nobody waits but those who need that disk. All of
 * these hang where a loop makes the call and stays in it.
 */
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class StandingDeviceTest {
    private static final int LENGTH = 16 << 20;

    /** Heartbeats come every half a second. */
    private static final long SOME_HEARTBEATS_SECONDS = 3;

    @AutoClose private final Rig rig = new Rig();

    private ReplicatedPair pair() {
        // Of a file on FUSE nobody can tell that it is empty.
        return new ReplicatedPair(rig, "", 2, LENGTH).withPrimary("--assume-identical");
    }

    private static void put(final StandingDevice device, final Path inPlaceOf) throws IOException {
        Files.delete(inPlaceOf);
        Files.createSymbolicLink(inPlaceOf, device.file());
    }

    private String[] state() {
        return new String[] {"--state", rig.path("state").toString(), "--state-may-vanish"};
    }

    private Program write(final String uri, final int value) {
        return rig.startPython(
                "connect(sys.argv[1]).pwrite(bytes([int(sys.argv[2])]) * 4096, 8192)",
                uri,
                Integer.toString(value));
    }

    private void requireWritten(final String uri, final int value) {
        assertEquals(0, write(uri, value).awaitExit());
    }

    /** While some heartbeats go by. */
    private static void requireLinked(final Control control) {
        final long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SOME_HEARTBEATS_SECONDS);
        while (System.nanoTime() < end) {
            assertTrue(control.status().get("linked").getAsBoolean());
            Rig.pause();
        }
    }

    @Test
    void aSecondaryGoesOnAndTakesOverWhileADiskStandsStill() throws IOException {
        final ReplicatedPair pair = pair().withSecondary(state());
        try (StandingDevice device = StandingDevice.make(rig, LENGTH)) {
            put(device, pair.secondaryDisk("a"));
            pair.start();
            requireWritten(pair.guest("a"), 1);
            requireWritten(pair.guest("b"), 1);
            pair.checkpoint();
            device.standStill();
            requireWritten(pair.guest("a"), 2); // at the primary: the secondary's disk stands still
            requireWritten(pair.guest("b"), 2);
            try (Control secondary = pair.secondaryControl();
                    Control primary = pair.primaryControl()) {
                secondary.await(
                        "in the other disk",
                        status -> Rig.read(pair.secondaryDisk("b"))[8192] == 2);
                requireLinked(secondary);
                requireLinked(primary);
                assertTrue(primary.status().get("lag-bytes").getAsLong() > 0, "it stands still");
                pair.primary().kill();
                secondary.execute("x-lockstep-failover", "{'force': true}");
                requireWritten(pair.secondaryGuest("b"), 3);
                assertFalse(secondary.state().equals("alone"), "the merge waits for the device");
                device.goOn();
                secondary.awaitMerged();
            }
            assertEquals(1, Rig.read(device.file())[8192], "what was written late is undone");
            assertEquals(3, Rig.read(pair.secondaryDisk("b"))[8192]);
            pair.secondary().kill();
        }
    }

    @Test
    void aPrimaryServesItsOtherDisksWhileOneStandsStill() throws IOException {
        final ReplicatedPair pair = pair().withPrimary(state());
        try (StandingDevice device = StandingDevice.make(rig, LENGTH)) {
            put(device, pair.primaryDisk("a"));
            pair.start();
            requireWritten(pair.guest("a"), 1);
            device.standStill();
            final Program waiting = write(pair.guest("a"), 2);
            try (Control primary = pair.primaryControl()) {
                requireLinked(primary);
                requireWritten(pair.guest("b"), 2);
                assertTrue(waiting.isRunning(), "it is not answered before it is written");
                device.goOn();
                assertEquals(0, waiting.awaitExit());
                primary.awaitDrained();
            }
            assertEquals(2, Rig.read(pair.secondaryDisk("a"))[8192]);
            pair.primary().kill();
        }
    }
}
