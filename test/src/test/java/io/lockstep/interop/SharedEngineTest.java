package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Two {@code lockstep engine}s on one disk, set up and managed in QEMU's words: those of its
 * document, and {@code shared-disk} and {@code shared-disk-id}, which were proposed in 2016.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class SharedEngineTest {
    private static final int LENGTH = 4 << 20;
    private static final String CHECKPOINT = "xen-colo-do-checkpoint";
    private static final String FAIL_OVER = "x-lockstep-failover";
    private static final String SHARED =
            "shared-disk=on,shared-disk-id=" + ReplicationSide.DISK + ",";

    @AutoClose private final Rig rig = new Rig();

    private final Path disk = rig.holeOnDisk("engines", LENGTH);

    private static final List<String> TAKEN_APART =
            List.of(
                    "x-lockstep-stop={}",
                    "x-colo-lost-heartbeat={}",
                    "xen-set-replication={'enable': false, 'primary': true}",
                    "x-blockdev-change={'parent': 'a', 'child': 'children.1'}");

    private String[] sharing(final String side) {
        final String state = rig.path(side + "state").toString();
        return new String[] {"--shared", "--state", state, "--state-may-vanish"};
    }

    private ReplicationSide secondary() {
        return ReplicationSide.secondary(
                ReplicationPeer.LOCKSTEP, rig, "s", disk, SHARED, sharing("s"));
    }

    private ReplicationSide primary() {
        return ReplicationSide.primary(ReplicationPeer.LOCKSTEP, rig, "p", disk, sharing("p"));
    }

    private ReplicationSide primaryOf(final ReplicationSide secondary) {
        final ReplicationSide primary = primary();
        primary.attach(secondary.socket(), SHARED);
        primary.start();
        primary.control().awaitHealed();
        return primary;
    }

    private void write(final ReplicationSide side, final int value, final int at) {
        write(side.guest(), value, at);
    }

    private void write(final String guest, final int value, final int at) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[2])]) * 100000,"
                        + " int(sys.argv[3])); h.flush()",
                guest,
                Integer.toString(value),
                Integer.toString(at));
    }

    /** What QEMU's commands can't say is who has fenced the primary. */
    private static void failOver(final ReplicationSide secondary) {
        for (final String command : List.of("x-colo-lost-heartbeat", FAIL_OVER)) {
            final String refusal = secondary.control().refuse(command, "{}").sentence();
            assertTrue(refusal.contains("fence its host"), refusal);
        }
        secondary.control().execute(FAIL_OVER, "{'fenced': true}");
        secondary.control().awaitMerged();
    }

    @Test
    void theSecondarysGuestSeesTheCheckpointAndAFailoverBringsItBack() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primaryOf(secondary);
        write(primary, 1, 5000);
        primary.checkpoint();
        final Path checkpoint = rig.write(rig.path("checkpoint"), 0, Rig.read(disk));
        write(primary, 2, 50_000);
        write(primary, 2, 2 << 20);
        rig.run(
                Tool.QEMU_IMG,
                "compare",
                "-f",
                "raw",
                "-F",
                "raw",
                secondary.guest(),
                checkpoint.toString());
        primary.engine().kill();
        failOver(secondary);
        ReplicatedPair.assertSame(checkpoint, disk);
        write(secondary, 3, 0);
        assertEquals(3, Rig.read(disk)[0]);
    }

    @Test
    void aPrimaryThatIsKilledLeavesTheLastCheckpoint() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primaryOf(secondary);
        final SerialWrites guest =
                SerialWrites.start(
                        rig,
                        List.of(primary.guest()),
                        LENGTH,
                        primary.engine().secondMonitor(),
                        CHECKPOINT,
                        0.02);
        guest.await(3000);
        primary.engine().kill();
        final SerialWrites.End end = guest.end();
        failOver(secondary);
        assertTrue(end.checkpointed() > 0, end::toString);
        guest.verify(List.of(Rig.read(disk)), end.checkpointed(), end.submitted());
    }

    /**
     * A manager's words don't say who is fenced; and a disk without its node is written as well.
     */
    @Test
    void aPrimaryWithoutItsSecondaryIsNotTakenApart() {
        final ReplicationSide secondary = secondary().start();
        final ReplicationSide primary = primaryOf(secondary);
        write(primary, 1, 5000);
        primary.checkpoint();
        write(primary, 2, 5000);
        secondary.engine().kill();
        final Control control = primary.control();
        control.await("unlinked", status -> !status.get("linked").getAsBoolean());
        for (final String words : TAKEN_APART) {
            final String[] command = words.split("=");
            final String refusal = control.refuse(command[0], command[1]).sentence();
            assertTrue(refusal.contains("lockstep stop --fenced"), refusal);
        }
        control.execute("x-lockstep-stop", "{'fenced': true}");
        write(primary, 3, 2 << 20);
    }

    private static String node(final ReplicationSide secondary, final String options) {
        return "{'driver': 'replication', 'mode': 'primary', 'node-name': 'other', "
                + options
                + "'file': {'driver': 'nbd', 'export': 'a', 'server': {'type': 'unix', 'path': '"
                + secondary.socket()
                + "'}}}";
    }

    @Test
    void aReplicationNodeThatSharesNothingOrAnotherDiskIsRefused() {
        final ReplicationSide secondary = secondary();
        final Control primary = primary().control();
        final String nothing = primary.refuse("blockdev-add", node(secondary, "")).sentence();
        assertTrue(nothing.contains("say shared-disk=on"), nothing);
        primary.execute(
                "blockdev-add",
                node(secondary, "'shared-disk': true, 'shared-disk-id': 'another', "));
        final String another =
                primary.refuse("x-blockdev-change", "{'parent': 'a', 'node': 'other'}").sentence();
        assertTrue(another.contains("'another', and the disk is 'a'"), another);
    }

    private String buffer(final String name, final String backing) {
        return "{'driver': 'extents', 'file': {'driver': 'file', 'filename': '"
                + rig.path(name)
                + "'}, 'backing': "
                + backing
                + "}";
    }

    /** It was opened anew to read alone, and is a disk of this engine as it was before. */
    @Test
    void theDiskOfAReplicationNodeThatIsRemovedAgainIsWritten() {
        final List<String> arguments = new ArrayList<>(List.of(sharing("u")));
        arguments.addAll(List.of("-drive", "if=none,driver=raw,id=a,file.filename=" + disk));
        final Control control = ReplicationPeer.LOCKSTEP.start(rig, "u", arguments).control();
        control.execute(
                "blockdev-add",
                "{'driver': 'replication', 'mode': 'secondary', 'node-name': 'child',"
                        + " 'shared-disk': true, 'shared-disk-id': 'a', 'file': "
                        + buffer("active", buffer("hidden", "'a'"))
                        + "}");
        control.execute("blockdev-del", "{'node-name': 'child'}");
        final Path socket = rig.path("u.nbd");
        control.execute(
                "nbd-server-start",
                "{'addr': {'type': 'unix', 'data': {'path': '" + socket + "'}}}");
        control.execute("nbd-server-add", "{'device': 'a', 'writable': true}");
        write("nbd+unix:///a?socket=" + socket, 4, 5000);
        assertEquals(4, Rig.read(disk)[5000]);
    }
}
