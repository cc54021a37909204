package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * What QEMU's own unit test of replication looks at, and some more, over QMP and NBD: of QEMU and
 * of {@code lockstep engine}. What is expected is the same of both, but where a test says why not.
 */
@ParameterizedClass
@EnumSource(ReplicationPeer.class)
final class ReplicationScenarioTest {
    private static final int LENGTH = 1 << 20;
    private static final int HALF = LENGTH / 2;

    @AutoClose private final Rig rig = new Rig();

    private final ReplicationPeer peer;
    private final NbdShell nbd;
    private final Path primaryDisk = rig.write(rig.path("p.img"), 0, bytes("aa*1048576"));
    private final Path secondaryDisk = rig.write(rig.path("s.img"), 0, bytes("aa*1048576"));

    ReplicationScenarioTest(final ReplicationPeer peer) {
        this.peer = peer;
        nbd = new NbdShell(rig);
    }

    private ReplicationSide secondary() {
        return ReplicationSide.secondary(peer, rig, "s", secondaryDisk);
    }

    private ReplicationSide primary() {
        return ReplicationSide.primary(peer, rig, "p", primaryDisk);
    }

    private String read(final String export) {
        return nbd.read(export, 0, LENGTH);
    }

    private void write(final String export, final int value, final int at, final int length) {
        assertEquals("done", nbd.write(export, value, at, length));
    }

    private static void assertRefused(
            final String sentence, final ReplicationSide side, final String arguments) {
        assertEquals(
                new Control.Refusal("GenericError", sentence),
                side.control().refuse("xen-set-replication", arguments));
    }

    // ---- Primary.

    @Test
    void ofAPrimaryThatIsNotStartedTheReplicationNodeTakesNothing() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.makeClient(secondary.socket());
        primary.control().execute("nbd-server-add", "{'device': 'client', 'writable': true}");
        final String client = "nbd+unix:///client?socket=" + primary.socket();
        assertEquals("EIO", nbd.read(client, 0, LENGTH));
        assertEquals("EIO", nbd.write(client, 0x11, 0, LENGTH));
        primary.start();
        assertEquals("EIO", nbd.read(client, 0, LENGTH));
        assertEquals("done", nbd.write(client, 0x11, 0, LENGTH));
        assertEquals("11", read(secondary.stream()));
    }

    @Test
    void aPrimaryForwardsFromItsStartOn() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        write(primary.guest(), 0x11, 0, HALF);
        assertEquals("aa", read(secondary.stream()));
        primary.start();
        write(primary.guest(), 0x22, HALF, HALF);
        assertEquals("11*524288 22*524288", read(primary.guest()));
        assertEquals("aa*524288 22*524288", read(secondary.stream()));
        assertFalse(primary.hasError());
        primary.checkpoint();
        assertFalse(primary.hasError());
    }

    @Test
    void aPrimaryStartsOnceAndOnlyAsThat() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        assertRefused(
                "Block replication is not running",
                primary,
                ReplicationSide.stopArguments(true, false));
        assertRefused(
                "The parameter mode's value is invalid, needs 0, but got 1",
                primary,
                ReplicationSide.startArguments(false));
        primary.start();
        assertRefused(
                "Block replication is running or done",
                primary,
                ReplicationSide.startArguments(true));
    }

    @Test
    void aPrimaryThatIsStoppedGoesOnAlone() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        primary.start();
        write(primary.guest(), 0x11, 0, LENGTH);
        primary.stop(true);
        write(primary.guest(), 0x22, 0, LENGTH);
        assertEquals("22", read(primary.guest()));
        assertEquals("11", read(secondary.stream()));
        primary.stop(true);
        primary.checkpoint();
        primary.start();
        write(primary.guest(), 0x33, 0, LENGTH);
        assertEquals("11", read(secondary.stream()));
    }

    @Test
    void aPrimaryWhoseSecondaryDiedGoesOnWithoutTheChild() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        primary.start();
        secondary.engine().kill();
        write(primary.guest(), 0x11, 0, LENGTH);
        assertTrue(primary.hasError());
        primary.detach();
        write(primary.guest(), 0x22, 0, HALF);
        assertEquals("22*524288 11*524288", read(primary.guest()));
    }

    // ---- Secondary.

    @Test
    void theGuestOfASecondaryThatIsNotStartedGetsErrors() {
        final ReplicationSide secondary = secondary();
        assertEquals("EIO", nbd.read(secondary.guest(), 0, LENGTH));
        assertEquals("EIO", nbd.write(secondary.guest(), 0x11, 0, LENGTH));
        assertFalse(secondary.hasError());
    }

    @Test
    void aSecondaryStartsOnceAndOnlyAsThat() {
        final ReplicationSide secondary = secondary();
        assertRefused(
                "Block replication is not running",
                secondary,
                ReplicationSide.stopArguments(false, false));
        assertEquals(
                new Control.Refusal("GenericError", "Backup job was cancelled unexpectedly"),
                secondary.control().refuse("xen-colo-do-checkpoint", "{}"));
        assertRefused(
                "The parameter mode's value is invalid, needs 1, but got 0",
                secondary,
                ReplicationSide.startArguments(true));
        secondary.start();
        assertRefused(
                "Block replication is running or done",
                secondary,
                ReplicationSide.startArguments(false));
        assertFalse(secondary.hasError());
    }

    @Test
    void theGuestOfASecondarySeesTheCheckpointAndItsOwnWrites() {
        final ReplicationSide secondary = secondary().start();
        write(secondary.stream(), 0x22, HALF, HALF);
        assertEquals("aa", read(secondary.guest()));
        write(secondary.guest(), 0x33, 0, HALF);
        assertEquals("33*524288 aa*524288", read(secondary.guest()));
        assertEquals("aa*524288 22*524288", read(secondary.stream()));
    }

    @Test
    void aCheckpointOfASecondaryShowsTheStreamAndForgetsTheGuestsWrites() {
        final ReplicationSide secondary = secondary().start();
        write(secondary.stream(), 0x22, HALF, HALF);
        write(secondary.guest(), 0x33, 0, LENGTH);
        secondary.checkpoint();
        assertFalse(secondary.hasError());
        assertEquals("aa*524288 22*524288", read(secondary.guest()));
        write(secondary.stream(), 0x44, 0, LENGTH);
        assertEquals("aa*524288 22*524288", read(secondary.guest()));
        secondary.checkpoint();
        assertEquals("44", read(secondary.guest()));
    }

    @Test
    void aFailoverKeepsCheckpointAndGuestsWritesInAnyPattern() {
        final ReplicationSide secondary = secondary().start();
        write(secondary.stream(), 0x11, 0, LENGTH);
        secondary.checkpoint();
        // In blocks of 64 KiB: only the stream's; only the guest's; both, in part of a block each.
        write(secondary.stream(), 0x22, 0, 65536);
        write(secondary.guest(), 0x33, 65536, 65536);
        write(secondary.stream(), 0x22, 131072, 65536);
        write(secondary.guest(), 0x33, 131072 + 4096, 4096);
        write(secondary.stream(), 0x22, 196608 + 512, 1024);
        write(secondary.guest(), 0x33, 196608 + 1024, 1024);
        final String seen =
                "11*65536 33*65536 11*4096 33*4096 11*57344 11*1024 33*1024 11*63488 11*786432";
        assertSeen(seen, read(secondary.guest()));
        secondary.stop(true);
        assertSeen(seen, read(secondary.guest()));
        awaitDisk(seen);
        assertSeen(seen, read(secondary.guest()));
    }

    /** Compares bytes, however they are told. */
    private static void assertSeen(final String expected, final String seen) {
        assertEquals(joined(expected), seen);
    }

    private static String joined(final String runs) {
        final StringBuilder joined = new StringBuilder();
        String value = "";
        long length = 0;
        for (final String run : runs.split(" ")) {
            final String[] parts = run.split("\\*");
            if (!parts[0].equals(value) && length > 0) {
                joined.append(value).append('*').append(length).append(' ');
                length = 0;
            }
            value = parts[0];
            length += Long.parseLong(parts[1]);
        }
        return joined + value + "*" + length;
    }

    private void awaitDisk(final String runs) {
        final byte[] expected = bytes(runs);
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (!Arrays.equals(expected, Rig.read(secondaryDisk))) {
            assertTrue(System.nanoTime() < deadline, "merged in time");
            Rig.pause();
        }
    }

    private static byte[] bytes(final String runs) {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (final String run : runs.split(" ")) {
            final String[] parts = run.split("\\*");
            for (int i = 0; i < Integer.parseInt(parts[1]); i++) {
                bytes.write(Integer.parseInt(parts[0], 16));
            }
        }
        return bytes.toByteArray();
    }

    @Test
    void afterAFailoverStartCheckpointAndStopAreAccepted() {
        final ReplicationSide secondary = secondary().start();
        write(secondary.stream(), 0x22, 0, LENGTH);
        write(secondary.guest(), 0x33, 0, HALF);
        secondary.stop(true);
        awaitDisk("33*524288 aa*524288");
        secondary.start();
        secondary.checkpoint();
        secondary.stop(true);
        secondary.stop(false);
        assertFalse(secondary.hasError());
        assertEquals("33*524288 aa*524288", read(secondary.guest()));
        write(secondary.guest(), 0x44, HALF, HALF);
        assertEquals("33*524288 44*524288", read(secondary.guest()));
        awaitDisk("33*524288 44*524288");
    }

    @Test
    void aStopWithoutFailoverIsACheckpointAndTheEnd() {
        final ReplicationSide secondary = secondary().start();
        write(secondary.stream(), 0x22, HALF, HALF);
        write(secondary.guest(), 0x33, 0, LENGTH);
        System.err.println(
                secondary
                        .control()
                        .refuse(
                                "xen-set-replication",
                                ReplicationSide.stopArguments(false, false)));
        System.err.println(read(secondary.guest()));
        System.err.println(read(secondary.stream()));
        secondary.stop(false);
        secondary.checkpoint();
        secondary.start();
        System.err.println(secondary.hasError());
        System.err.println(read(secondary.guest()));
        write(secondary.guest(), 0x44, 0, LENGTH);
        System.err.println(read(secondary.guest()));
    }

    // ---- Both, and on.

    @Test
    void checkpointsReplicateAndAFailoverTakesBack() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        primary.start();
        write(primary.guest(), 0x11, 0, LENGTH);
        assertEquals("aa", read(secondary.guest()));
        primary.checkpoint();
        secondary.checkpoint();
        assertEquals("11", read(secondary.guest()));
        write(primary.guest(), 0x22, 0, LENGTH);
        write(secondary.guest(), 0x33, 0, HALF);
        primary.engine().kill();
        secondary.stop(true);
        awaitDisk("33*524288 11*524288");
    }

    @Test
    void aFailedOverSecondaryIsThePrimaryOfTheNext() {
        final ReplicationSide second = secondary().start();
        final ReplicationSide first = primary();
        first.attach(second.socket());
        first.start();
        write(first.guest(), 0x11, 0, LENGTH);
        second.checkpoint();
        first.engine().kill();
        write(second.guest(), 0x22, 0, HALF);
        second.stop(true);
        awaitDisk("22*524288 11*524288");

        final Path thirdDisk = rig.write(rig.path("t.img"), 0, Rig.read(secondaryDisk));
        final ReplicationSide third = ReplicationSide.secondary(peer, rig, "t", thirdDisk).start();
        second.attach(third.socket());
        second.control().execute("xen-set-replication", ReplicationSide.startArguments(true));
        write(second.guest(), 0x33, HALF, HALF);
        assertEquals("22*524288 33*524288", read(third.stream()));
        third.checkpoint();
        write(second.guest(), 0x44, 0, LENGTH);
        assertEquals("22*524288 33*524288", read(third.guest()));
        second.engine().kill();
        third.stop(true);
        assertEquals("22*524288 33*524288", read(third.guest()));
    }
}
