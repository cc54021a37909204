package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
    private static final String CANCELLED = "Backup job was cancelled unexpectedly";
    private static final String NOT_RUNNING = "Block replication is not running";

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

    /**
     * A guest of QEMU's waits until the secondary has what it writes, one of Lockstep's does not.
     */
    private void awaitForwarded(final String expected, final ReplicationSide secondary) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (!read(secondary.stream()).equals(expected)) {
            assertTrue(System.nanoTime() < deadline, "forwarded in time");
            Rig.pause();
        }
    }

    private void write(final String export, final int value, final int at, final int length) {
        assertEquals("done", nbd.write(export, value, at, length));
    }

    /** Both refuse it; each in its own words. */
    private void assertRefused(
            final String qemuSentence,
            final String sentence,
            final ReplicationSide side,
            final String arguments) {
        assertEquals(
                new Control.Refusal("GenericError", isQemu() ? qemuSentence : sentence),
                side.control().refuse("xen-set-replication", arguments));
    }

    private boolean isQemu() {
        return peer == ReplicationPeer.QEMU;
    }

    // ---- Primary.

    /** Only the quorum uses the node in QEMU either; Lockstep exports it to nobody. */
    @Test
    void ofAPrimaryThatIsNotStartedTheReplicationNodeTakesNothing() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.makeClient(secondary.socket());
        final String export = "{'device': 'client', 'writable': true}";
        if (!isQemu()) {
            assertEquals(
                    new Control.Refusal(
                            "GenericError",
                            "node 'client' can't be exported; a file, a raw node, a quorum, a"
                                    + " replication node with mode=secondary, and a throttle over"
                                    + " one of these can"),
                    primary.control().refuse("nbd-server-add", export));
            return;
        }
        primary.control().execute("nbd-server-add", export);
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
        awaitForwarded("aa*524288 22*524288", secondary);
        assertEquals("", primary.error());
        primary.checkpoint();
        assertEquals("", primary.error());
    }

    @Test
    void aPrimaryStartsOnceAndOnlyAsThat() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        assertRefused(
                NOT_RUNNING,
                "replication is not running",
                primary,
                ReplicationSide.stopArguments(true, false));
        assertRefused(
                "The parameter mode's value is invalid, needs 0, but got 1",
                "The parameter mode's value is invalid, needs primary, but got secondary",
                primary,
                ReplicationSide.startArguments(false));
        primary.start();
        assertRefused(
                "Block replication is running or done",
                "replication is already running",
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
        awaitForwarded("11", secondary);
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

    /** To Lockstep a link that is cut is no error: it is made again, and the log keeps all. */
    @Test
    void aPrimaryWhoseSecondaryDiedGoesOnWithoutTheChild() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        primary.start();
        secondary.engine().kill();
        write(primary.guest(), 0x11, 0, LENGTH);
        assertEquals(isQemu() ? "I/O error occurred" : "", primary.error());
        primary.detach();
        write(primary.guest(), 0x22, 0, HALF);
        assertEquals("22*524288 11*524288", read(primary.guest()));
        primary.engine().kill();
    }

    // ---- Secondary.

    @Test
    void theGuestOfASecondaryThatIsNotStartedGetsErrors() {
        final ReplicationSide secondary = secondary();
        assertEquals("EIO", nbd.read(secondary.guest(), 0, LENGTH));
        assertEquals("EIO", nbd.write(secondary.guest(), 0x11, 0, LENGTH));
        assertEquals(NOT_RUNNING, secondary.error());
    }

    @Test
    void aSecondaryStartsOnceAndOnlyAsThat() {
        final ReplicationSide secondary = secondary();
        assertRefused(
                NOT_RUNNING,
                "replication is not running",
                secondary,
                ReplicationSide.stopArguments(false, false));
        assertEquals(
                new Control.Refusal(
                        "GenericError", isQemu() ? CANCELLED : "replication is not running"),
                secondary.control().refuse("xen-colo-do-checkpoint", "{}"));
        assertRefused(
                "The parameter mode's value is invalid, needs 1, but got 0",
                "The parameter mode's value is invalid, needs secondary, but got primary",
                secondary,
                ReplicationSide.startArguments(true));
        secondary.start();
        assertRefused(
                "Block replication is running or done",
                "replication is already running",
                secondary,
                ReplicationSide.startArguments(false));
        assertEquals("", secondary.error());
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
        assertEquals("", secondary.error());
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
        final String seen = "11*65536 33*65536 11*4096 33*4096 11*58368 33*1024 11*849920";
        assertEquals(seen, read(secondary.guest()));
        secondary.stop(true);
        assertEquals(seen, read(secondary.guest()));
        awaitDisk(seen);
        assertEquals(seen, read(secondary.guest()));
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

    /** QEMU 7.2 wants the node to name itself, which the document did not do when it was new. */
    @Test
    void theReplicationNodeMayBeTheGuestsDisk() {
        final ReplicationSide secondary =
                ReplicationSide.secondaryWithoutQuorum(
                        peer, rig, "s", secondaryDisk, isQemu() ? "top-id=child," : "");
        secondary.start();
        write(secondary.stream(), 0x22, 0, LENGTH);
        assertEquals("aa", read(secondary.guest()));
        secondary.checkpoint();
        assertEquals("22", read(secondary.guest()));
        write(secondary.stream(), 0x33, 0, LENGTH);
        write(secondary.guest(), 0x44, 0, HALF);
        secondary.stop(true);
        awaitDisk("44*524288 22*524288");
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
        assertEquals("", secondary.error());
        assertEquals("33*524288 aa*524288", read(secondary.guest()));
        write(secondary.guest(), 0x44, HALF, HALF);
        assertEquals("33*524288 44*524288", read(secondary.guest()));
        awaitDisk("33*524288 44*524288");
    }

    /**
     * What a stop is that is no failover. QEMU ends the job that saves what the stream overwrites,
     * then misses it, says so, and has stopped all the same; its guest sees what it saw before, of
     * which from then on the stream overwrites what it likes. Lockstep takes that state, without
     * what the guest has written since the checkpoint: it is of another past.
     */
    @Test
    void aStopWithoutFailoverIsTheEnd() {
        final ReplicationSide secondary = secondary().start();
        write(secondary.stream(), 0x22, HALF, HALF);
        write(secondary.guest(), 0x33, 0, 65536);
        final String stop = ReplicationSide.stopArguments(false, false);
        if (isQemu()) {
            assertEquals(
                    new Control.Refusal("GenericError", CANCELLED),
                    secondary.control().refuse("xen-set-replication", stop));
            assertEquals("33*65536 aa*983040", read(secondary.guest()));
        } else {
            secondary.stop(false);
            assertEquals("aa*524288 22*524288", read(secondary.guest()));
        }
        secondary.stop(false);
        secondary.checkpoint();
        secondary.start();
        write(secondary.guest(), 0x44, 0, LENGTH);
        assertEquals("44", read(secondary.guest()));
    }

    // ---- Both, and on.

    /**
     * A manager checkpoints both, as COLO does. To QEMU it is the secondary's that counts, and
     * between two locksteps the primary's, which the secondary's then finds made.
     */
    private static void checkpoint(final ReplicationSide primary, final ReplicationSide secondary) {
        primary.checkpoint();
        secondary.checkpoint();
    }

    @Test
    void checkpointsReplicateAndAFailoverTakesBack() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket());
        primary.start();
        write(primary.guest(), 0x11, 0, LENGTH);
        assertEquals("aa", read(secondary.guest()));
        checkpoint(primary, secondary);
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
        checkpoint(first, second);
        first.engine().kill();
        write(second.guest(), 0x22, 0, HALF);
        second.stop(true);
        awaitDisk("22*524288 11*524288");

        final Path thirdDisk = rig.write(rig.path("t.img"), 0, Rig.read(secondaryDisk));
        final ReplicationSide third = ReplicationSide.secondary(peer, rig, "t", thirdDisk).start();
        second.attach(third.socket());
        second.control().execute("xen-set-replication", ReplicationSide.startArguments(true));
        write(second.guest(), 0x33, HALF, HALF);
        awaitForwarded("22*524288 33*524288", third);
        checkpoint(second, third);
        write(second.guest(), 0x44, 0, LENGTH);
        assertEquals("22*524288 33*524288", read(third.guest()));
        second.engine().kill();
        third.stop(true);
        assertEquals("22*524288 33*524288", read(third.guest()));
    }
}
