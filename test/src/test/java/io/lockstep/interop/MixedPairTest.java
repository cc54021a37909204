package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * A lockstep at one end, QEMU's block replication at the other. In each direction fio writes and
 * verifies while checkpoints go by, then a failover must leave what a model says; and a guest is
 * killed with its primary in the midst of writes and checkpoints, and the secondary must hold the
 * state after the first n of its writes, for one n that is not before the last checkpoint (I1).
 */
final class MixedPairTest {
    private static final int LENGTH = 32 << 20;
    private static final String DISK = ReplicationSide.DISK;
    private static final String QEMU_CHECKPOINT = "xen-colo-do-checkpoint";

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH);

    // ---- QEMU's primary, and our secondary.

    private ReplicationSide startQemuPrimary() {
        pair.startSecondary();
        final ReplicationSide primary =
                ReplicationSide.primary(ReplicationPeer.QEMU, rig, "qemu", pair.primaryDisk(DISK));
        primary.attach(pair.linkSocket());
        return primary.start();
    }

    @Test
    void fioVerifiesThroughAQemuPrimaryAndAFailoverLeavesTheModel() throws IOException {
        final ReplicationSide primary = startQemuPrimary();
        final Path model;
        try (Control secondary = pair.secondaryControl()) {
            verify(primary.guest(), secondary, QEMU_CHECKPOINT);
            model = copyOfPrimary();
            secondary.execute(QEMU_CHECKPOINT);
            // What is lost again, and what stays, since it is of the secondary's own guest.
            write(primary.guest(), 0x22, 1 << 20, 8 << 20);
            write(pair.secondaryGuest(DISK), 0x33, (2 << 20) + 512, 65536);
        }
        ReplicatedPair.assertSame(pair.primaryDisk(DISK), pair.secondaryDisk(DISK));
        primary.engine().kill();
        pair.failOver();
        overlay(model);
        ReplicatedPair.assertSame(model, pair.secondaryDisk(DISK));
    }

    @Test
    void aQemuPrimaryThatIsKilledLeavesTheLastCheckpoint() {
        final ReplicationSide primary = startQemuPrimary();
        final SerialWrites guest =
                SerialWrites.start(
                        rig,
                        List.of(primary.guest()),
                        LENGTH,
                        pair.secondaryControlSocket(),
                        QEMU_CHECKPOINT,
                        0.02);
        guest.await(1000);
        primary.engine().kill();
        final SerialWrites.End end = guest.end();
        pair.failOver();
        assertTrue(end.checkpointed() > 0, end::toString);
        guest.verify(
                List.of(Rig.read(pair.secondaryDisk(DISK))), end.checkpointed(), end.submitted());
    }

    // ---- Our primary, and QEMU's secondary.

    private final Path qemuDisk = rig.hole("qemu.img", LENGTH);

    private ReplicationSide qemuSecondary() {
        final ReplicationSide secondary =
                ReplicationSide.secondary(ReplicationPeer.QEMU, rig, "qemu", qemuDisk);
        pair.withLink(secondary.socket());
        return secondary;
    }

    private static QemuProcess qemu(final ReplicationSide side) {
        return (QemuProcess) side.engine();
    }

    /** Fails it over, and waits until its disk holds what its guest sees. */
    private static void failOver(final ReplicationSide secondary) {
        secondary.stop(true);
        // The merge is a job that no query shows; at its end the active disk is let go.
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (secondary
                .control()
                .execute("query-named-block-nodes", "{'flat': true}")
                .toString()
                .contains("qemuactive")) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not merged in time\n" + secondary.engine());
            }
            Rig.pause();
        }
    }

    private void startPrimaryOf(final Object monitor) {
        pair.withPrimary("--peer-qmp", monitor.toString()).startPrimary();
        try (Control control = pair.primaryControl()) {
            control.awaitLink();
        }
    }

    @Test
    void fioVerifiesThroughAPrimaryOfQemuAndAFailoverLeavesTheModel() throws IOException {
        final ReplicationSide secondary = qemuSecondary().start();
        startPrimaryOf(secondary.engine().secondMonitor());
        final Path model;
        try (Control primary = pair.primaryControl()) {
            verify(pair.guest(DISK), primary, "x-lockstep-checkpoint");
            model = copyOfPrimary();
            primary.checkpoint();
            write(pair.guest(DISK), 0x22, 1 << 20, 8 << 20);
            write(secondary.guest(), 0x33, (2 << 20) + 512, 65536);
            primary.awaitDrained();
        }
        ReplicatedPair.assertSame(pair.primaryDisk(DISK), qemuDisk);
        pair.primary().kill();
        failOver(secondary);
        overlay(model);
        ReplicatedPair.assertSame(model, qemuDisk);
    }

    @Test
    void aPrimaryOfQemuThatIsKilledLeavesTheLastCheckpoint() {
        final ReplicationSide secondary = qemuSecondary().start();
        startPrimaryOf(secondary.engine().secondMonitor());
        final SerialWrites guest = SerialWrites.start(rig, pair, LENGTH, 0.02);
        guest.await(3000);
        pair.primary().kill();
        final SerialWrites.End end = guest.end();
        failOver(secondary);
        assertTrue(end.checkpointed() > 0, end::toString);
        guest.verify(List.of(Rig.read(qemuDisk)), end.checkpointed(), end.submitted());
    }

    /** The same primary, set up in QEMU's way. */
    @Test
    void anEngineCheckpointsAQemuSecondaryToo() {
        final ReplicationSide secondary = qemuSecondary().start();
        final ReplicationSide primary =
                ReplicationSide.primary(
                        ReplicationPeer.LOCKSTEP,
                        rig,
                        "engine",
                        pair.primaryDisk(DISK),
                        "--peer-qmp",
                        secondary.engine().secondMonitor().toString());
        primary.attach(secondary.socket());
        primary.start();
        write(primary.guest(), 0x11, 0, 1 << 20);
        primary.checkpoint();
        write(primary.guest(), 0x22, 0, 1 << 20);
        primary.engine().kill();
        failOver(secondary);
        assertEquals(0x11, Rig.read(qemuDisk)[0]);
    }

    /** The guest goes on, and what was sealed is committed by the next checkpoint. */
    @Test
    void aMonitorThatIsAwayFailsTheCheckpointAndTheNextOneMakesUpForIt() throws IOException {
        final ReplicationSide secondary = qemuSecondary().start();
        final Path monitor = rig.path("monitor");
        startPrimaryOf(monitor);
        try (Control primary = pair.primaryControl()) {
            write(pair.guest(DISK), 0x11, 0, 1 << 20);
            final String away = primary.refuse("x-lockstep-checkpoint", "{}").sentence();
            assertTrue(away.contains("does not answer") && away.contains("--peer-qmp names"), away);
            write(pair.guest(DISK), 0x22, 0, 1 << 20);
            assertEquals(0, primary.status().get("committed-epoch").getAsLong());
            Files.createSymbolicLink(monitor, secondary.engine().secondMonitor());
            assertEquals(2, primary.checkpoint());
            write(pair.guest(DISK), 0x33, 0, 1 << 20);
            primary.awaitDrained();
        }
        failOver(secondary);
        assertEquals(0x22, Rig.read(qemuDisk)[0]);
    }

    @Test
    void aSecondaryThatRefusesItsCheckpointIsQuoted() {
        final ReplicationSide secondary = qemuSecondary(); // not started
        startPrimaryOf(qemu(secondary).tcpMonitor());
        try (Control primary = pair.primaryControl()) {
            final String refused = primary.refuse("x-lockstep-checkpoint", "{}").sentence();
            assertTrue(refused.contains("refuses: Backup job"), refused);
        }
        assertEquals(0, pair.primary().stop(), "nobody will commit what is sealed");
    }

    @Test
    void aMonitorOfAProcessThatReplicatesNothingIsRefused() {
        qemuSecondary().start();
        final QemuProcess other = QemuProcess.start(rig, "other", List.of());
        startPrimaryOf(other.secondMonitor());
        try (Control primary = pair.primaryControl()) {
            final String refused = primary.refuse("x-lockstep-checkpoint", "{}").sentence();
            assertTrue(refused.contains("no node with the driver replication"), refused);
        }
        pair.primary().kill();
    }

    /** It would have to say that what the secondary does not know is committed. */
    @Test
    void withoutAMonitorAForeignSecondaryIsNotSaidToBeCheckpointed() {
        qemuSecondary().start();
        pair.startPrimary();
        try (Control primary = pair.primaryControl()) {
            primary.awaitLink();
            final String refused = primary.refuse("x-lockstep-checkpoint", "{}").sentence();
            assertTrue(refused.contains("--peer-qmp"), refused);
        }
    }

    // ---- What both directions need.

    /** Has fio write all of the disk, and verify, with checkpoints meanwhile. */
    private void verify(final String export, final Control manager, final String checkpoint) {
        final Program fio =
                rig.start(
                        Tool.FIO,
                        "--name=verify",
                        "--ioengine=nbd",
                        "--uri=" + export,
                        "--rw=randwrite",
                        "--bsrange=4k-64k",
                        "--size=" + LENGTH,
                        "--thread",
                        "--iodepth=16",
                        "--loops=3",
                        "--verify=crc32c",
                        "--verify_fatal=1",
                        "--do_verify=1",
                        "--randseed=4711",
                        "--group_reporting");
        int count = 0;
        while (fio.isRunning()) {
            manager.execute(checkpoint);
            count++;
            Rig.pause();
        }
        assertEquals(0, fio.awaitExit(), fio::transcript);
        assertTrue(count > 10, "checkpoints were made: " + count);
    }

    private void write(final String export, final int value, final int offset, final int length) {
        rig.python(
                """
                h = connect(sys.argv[1])
                value, at, length = map(int, sys.argv[2:])
                for start in range(at, at + length, 1 << 20):
                    h.pwrite(bytes([value]) * min(1 << 20, at + length - start), start)
                h.flush()
                """,
                export,
                Integer.toString(value),
                Integer.toString(offset),
                Integer.toString(length));
    }

    private Path copyOfPrimary() throws IOException {
        return Files.copy(pair.primaryDisk(DISK), rig.path("model"));
    }

    /** What the secondary's guest has written, in the model. */
    private void overlay(final Path model) {
        final byte[] own = new byte[65536];
        Arrays.fill(own, (byte) 0x33);
        rig.write(model, (2 << 20) + 512, own);
    }
}
