package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The steps of QEMU's block-replication document, typed as they stand there, in both of its
 * published forms and in both notations; with checkpoints and failovers, and contents compared with
 * a model. What it leaves to its reader is filled in; where it says qcow2 it is extents.
 */
final class QemuUsageTest {
    private static final int LENGTH = 8 << 20;

    private static final String REMOVE_CHILD =
            "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'child':"
                    + " 'children.1' } }";
    private static final String STOP_SERVER = "{ 'execute': 'nbd-server-stop' }";
    private static final String LOST_HEARTBEAT = "{ 'execute': 'x-colo-lost-heartbeat' }";
    private static final String CHECKPOINT = "{ 'execute': 'xen-colo-do-checkpoint' }";
    private static final String MERGE_IS_DONE = "alone";

    @AutoClose private final Rig rig = new Rig();

    /** What the primary's disk holds, and what it held at the last checkpoint. */
    private final byte[] model = Rig.randomBytes(LENGTH, 1);

    private byte[] checkpointed = model.clone();
    private final int port = Peer.freePort();
    private long seed = 2;

    private LockstepProcess primary;
    private LockstepProcess secondary;
    private QmpLine onPrimary;
    private QmpLine onSecondary;

    /** The published form, and how the replication child is added. */
    enum Form {
        /** The replication node is the guest's disk on the secondary. */
        A,
        /** A quorum on both sides. */
        B
    }

    /** How a node is added over QMP. */
    enum Notation {
        DRIVE_ADD,
        BLOCKDEV_ADD
    }

    // ---- The steps.

    private String drive(final Form form, final String role) {
        return switch (role) {
            case "primary" ->
                    "if=virtio,driver=quorum,read-pattern=fifo,id=colo1,vote-threshold=1,"
                            + "children.0.file.filename=1.raw,children.0.driver=raw";
            case "disk" -> "if=none,driver=raw,file.filename=2.raw,id=colo1";
            case "replication" ->
                    (form == Form.A
                                    ? "if=virtio,driver=replication,mode=secondary,id=childs1,"
                                    : "if=none,id=childs1,driver=replication,mode=secondary,"
                                            + "top-id=childs1,")
                            + "file.file.filename=active_disk,file.driver=extents,"
                            + "file.backing.file.filename=hidden_disk,"
                            + "file.backing.driver=extents,file.backing.backing=colo1";
            case "quorum" ->
                    "if=virtio,driver=quorum,read-pattern=fifo,id=top-disk1,vote-threshold=1,"
                            + "children.0=childs1";
            default -> throw new IllegalArgumentException(role);
        };
    }

    /** The secondary first, as the document says. */
    private void startBoth(final Form form, final Notation notation) {
        rig.write(rig.hole("1.raw", LENGTH), 0, model);
        rig.write(rig.hole("2.raw", LENGTH), 0, model);
        startSecondary(form);
        onSecondary.done(startServer(port));
        onSecondary.done(
                "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'writable': true"
                        + " } }");
        onSecondary.done(setReplication(true, false));
        primary =
                rig.server(
                        List.of(
                                "engine",
                                "-drive",
                                drive(form, "primary"),
                                "-qmp",
                                "unix:" + rig.path("p") + ",server=on,wait=off",
                                "--guest",
                                "nbd+unix:///?socket=" + rig.path("pg")));
        onPrimary = rig.keep(QmpLine.connect(rig.path("p")));
        addReplication(form, notation);
        onPrimary.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'node':"
                        + " 'nbd_client1' } }");
        onPrimary.done(setReplication(true, true));
    }

    private void startSecondary(final Form form) {
        final List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "engine",
                                "-drive",
                                drive(form, "disk"),
                                "-drive",
                                drive(form, "replication")));
        if (form == Form.B) {
            arguments.addAll(List.of("--drive", drive(form, "quorum")));
        }
        arguments.addAll(
                List.of(
                        "--qmp",
                        rig.path("s").toString(),
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("sg")));
        secondary = rig.server(arguments);
        onSecondary = rig.keep(QmpLine.connect(rig.path("s")));
    }

    private static String startServer(final int port) {
        return "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'inet', 'data': {"
                + " 'host': '127.0.0.1', 'port': '"
                + port
                + "' } } } }";
    }

    private String startServer(final String socket) {
        return "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix', 'data': {"
                + " 'path': '"
                + rig.path(socket)
                + "' } } } }";
    }

    private static String setReplication(final boolean enable, final boolean isPrimary) {
        return "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': "
                + enable
                + ", 'primary': "
                + isPrimary
                + " } }";
    }

    private void addReplication(final Form form, final Notation notation) {
        if (notation == Notation.BLOCKDEV_ADD) {
            onPrimary.done(
                    blockdevAdd("'type': 'inet', 'host': '127.0.0.1', 'port': '" + port + "'"));
        } else {
            final boolean isNode = form == Form.B;
            onPrimary.expect(
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line':"
                            + " 'drive_add "
                            + (isNode ? "-n " : "")
                            + "buddy driver=replication,mode=primary,file.driver=nbd,"
                            + "file.host=127.0.0.1,file.port="
                            + port
                            + ",file.export=colo1,node-name=nbd_client1"
                            + (isNode ? "" : ",if=none")
                            + "' } }",
                    isNode ? "{\"return\":\"\"}" : "{\"return\":\"OK\\r\\n\"}");
        }
    }

    private String blockdevAddOf(final String socket) {
        return blockdevAdd("'type': 'unix', 'path': '" + rig.path(socket) + "'");
    }

    private static String blockdevAdd(final String server) {
        return "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'replication', 'mode':"
                + " 'primary', 'node-name': 'nbd_client1', 'file': { 'driver': 'nbd', 'server': { "
                + server
                + " }, 'export': 'colo1' } } }";
    }

    // ---- Guests, and what their disks must hold.

    private String guest(final String socket, final String export) {
        return "nbd+unix:///" + export + "?socket=" + rig.path(socket);
    }

    private String secondaryGuest(final Form form) {
        return guest("sg", form == Form.A ? "childs1" : "top-disk1");
    }

    /** Writes all over a guest's disk, and into a model of it. */
    private void write(final String uri, final byte[] into) {
        final byte[] bytes = Rig.randomBytes(300_000, seed++);
        final List<String> offsets = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            final int offset = (int) ((seed * 1_299_709 + i * 982_451L) % (LENGTH - bytes.length));
            System.arraycopy(bytes, 0, into, offset, bytes.length);
            offsets.add(Integer.toString(offset));
        }
        rig.write(rig.hole("bytes", 0), 0, bytes);
        rig.python(
                """
                h = connect(sys.argv[1])
                data = open(sys.argv[2], 'rb').read()
                for offset in sys.argv[3].split():
                    h.pwrite(data, int(offset))
                """,
                uri,
                rig.path("bytes").toString(),
                String.join(" ", offsets));
    }

    private void assertReads(final byte[] expected, final String uri) {
        final Path copy = rig.path("copy");
        rig.run(Tool.NBDCOPY, uri, copy.toString());
        assertArrayEquals(expected, Rig.read(copy));
    }

    private void checkpoint() {
        onPrimary.done(CHECKPOINT);
        checkpointed = model.clone();
    }

    private void awaitMerged() {
        try (Control control = Control.connect(rig.path("s"))) {
            control.await(
                    "merged",
                    status ->
                            status.get("state").getAsString().equals(MERGE_IS_DONE)
                                    || status.get("role").getAsString().equals("primary"));
        }
    }

    private void replicateSome(final Form form) {
        write(guest("pg", "colo1"), model);
        checkpoint();
        write(guest("pg", "colo1"), model);
        checkpoint();
        write(guest("pg", "colo1"), model);
        assertReads(model, guest("pg", "colo1"));
        assertReads(checkpointed, secondaryGuest(form));
        onPrimary.expect(
                "{ 'execute': 'query-xen-replication-status' }", "{\"return\":{\"error\":false}}");
    }

    // ---- The tests.

    @ParameterizedTest
    @CsvSource({"A,DRIVE_ADD", "A,BLOCKDEV_ADD", "B,DRIVE_ADD", "B,BLOCKDEV_ADD"})
    void thePrimaryHostIsDown(final Form form, final Notation notation) {
        startBoth(form, notation);
        replicateSome(form);
        final byte[] seen = checkpointed.clone();
        write(secondaryGuest(form), seen);
        primary.kill();
        onSecondary.done(STOP_SERVER);
        onSecondary.done(LOST_HEARTBEAT);
        assertReads(seen, secondaryGuest(form));
        write(secondaryGuest(form), seen);
        awaitMerged();
        assertReads(seen, secondaryGuest(form));
        assertArrayEquals(seen, Rig.read(rig.path("2.raw")));
    }

    @ParameterizedTest
    @CsvSource({"A,BLOCKDEV_ADD", "B,DRIVE_ADD"})
    void theSecondaryHostIsDown(final Form form, final Notation notation) {
        startBoth(form, notation);
        replicateSome(form);
        secondary.kill();
        write(guest("pg", "colo1"), model);
        onPrimary.done(REMOVE_CHILD);
        onPrimary.expect(
                "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line': 'drive_del"
                        + " nbd_client1' } }",
                "{\"return\":\"\"}");
        write(guest("pg", "colo1"), model);
        assertReads(model, guest("pg", "colo1"));
        assertArrayEquals(model, Rig.read(rig.path("1.raw")));
        assertEquals(
                "Node 'colo1' does not have child 'children.1'", onPrimary.refusal(REMOVE_CHILD));
    }

    /** The secondary's quorum takes a new replication child, and is a primary. */
    @Test
    void theSecondaryBecomesAPrimary() {
        startBoth(Form.B, Notation.BLOCKDEV_ADD);
        replicateSome(Form.B);
        primary.kill();
        onSecondary.done(STOP_SERVER);
        onSecondary.done(LOST_HEARTBEAT);
        final byte[] seen = checkpointed.clone();
        rig.write(rig.hole("3.raw", LENGTH), 0, seen);
        final QmpLine onThird = startThird();
        onSecondary.done(blockdevAddOf("third-nbd"));
        onSecondary.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'top-disk1', 'node':"
                        + " 'nbd_client1' } }");
        onSecondary.done(setReplication(true, true));
        write(secondaryGuest(Form.B), seen);
        onSecondary.done(CHECKPOINT);
        final byte[] atCheckpoint = seen.clone();
        write(secondaryGuest(Form.B), seen);
        assertReads(seen, secondaryGuest(Form.B));
        assertReads(atCheckpoint, guest("tg", "top"));
        secondary.kill();
        onThird.done(STOP_SERVER);
        onThird.done(LOST_HEARTBEAT);
        assertReads(atCheckpoint, guest("tg", "top"));
    }

    private QmpLine startThird() {
        rig.server(
                List.of(
                        "engine",
                        "-drive",
                        "if=none,driver=raw,file.filename=3.raw,id=colo1",
                        "-drive",
                        "if=virtio,id=top,driver=replication,mode=secondary,"
                                + "file.file.filename=active_3,file.driver=extents,"
                                + "file.backing.file.filename=hidden_3,"
                                + "file.backing.driver=extents,file.backing.backing=colo1",
                        "--qmp",
                        rig.path("t").toString(),
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("tg")));
        final QmpLine line = rig.keep(QmpLine.connect(rig.path("t")));
        line.done(startServer("third-nbd"));
        line.done(
                "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'writable': true"
                        + " } }");
        line.done(setReplication(true, false));
        return line;
    }

    /** Until it is started the secondary's guest gets errors; its raw disk is written through. */
    @Test
    void beforeReplicationIsStarted() {
        rig.write(rig.hole("2.raw", LENGTH), 0, model);
        startSecondary(Form.B);
        onSecondary.done(startServer("secondary-nbd"));
        onSecondary.done(
                "{ 'execute': 'block-export-add', 'arguments': { 'type': 'nbd', 'id': 'e1',"
                        + " 'node-name': 'colo1', 'name': 'raw', 'writable': true } }");
        rig.python(
                """
                h = connect(sys.argv[1])
                expect(errno.EIO, h.pread, 512, 0)
                expect(errno.EIO, h.pwrite, b'1' * 512, 0)
                """,
                secondaryGuest(Form.B));
        write(guest("secondary-nbd", "raw"), model);
        assertArrayEquals(model, Rig.read(rig.path("2.raw")));
        onSecondary.done("{ 'execute': 'block-export-del', 'arguments': { 'id': 'e1' } }");
        onSecondary.expect("{ 'execute': 'query-block-exports' }", "{\"return\":[]}");
        assertTrue(
                onSecondary.refusal(CHECKPOINT).contains("replication is not running"),
                "before the start");
        onSecondary.done(setReplication(true, false));
        assertEquals(
                "replication is already running", onSecondary.refusal(setReplication(true, false)));
        assertReads(model, secondaryGuest(Form.B));
    }

    /** A guest's connection outlives all that happens below it. */
    @Test
    void theGuestsGoOnMeanwhile() {
        rig.write(rig.hole("1.raw", LENGTH), 0, model);
        rig.write(rig.hole("2.raw", LENGTH), 0, model);
        primary =
                rig.server(
                        List.of(
                                "engine",
                                "-drive",
                                drive(Form.B, "primary"),
                                "-qmp",
                                rig.path("p").toString(),
                                "--guest",
                                "nbd+unix:///?socket=" + rig.path("pg")));
        onPrimary = rig.keep(QmpLine.connect(rig.path("p")));
        final Program guest = startGuest(guest("pg", "colo1"));
        for (int i = 0; i < 3; i++) {
            startSecondaryAnew();
            onPrimary.done(blockdevAddOf("secondary-nbd"));
            onPrimary.done(
                    "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'node':"
                            + " 'nbd_client1' } }");
            onPrimary.done(setReplication(true, true));
            onPrimary.done(CHECKPOINT);
            onPrimary.done(REMOVE_CHILD);
            onPrimary.done(
                    "{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'nbd_client1' } }");
            forceFailover();
            awaitMerged();
            assertEquals(0, secondary.stop());
            rig.lockstep("state", "--forget", "--state", rig.path("2.raw.lockstep").toString())
                    .requireSuccess();
        }
        rig.random("enough", 1, 1);
        assertEquals(0, guest.awaitExit(), guest::transcript);
    }

    private void startSecondaryAnew() {
        startSecondary(Form.B);
        onSecondary.done(startServer("secondary-nbd"));
        onSecondary.done(
                "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'writable': true"
                        + " } }");
        onSecondary.done(setReplication(true, false));
    }

    private Program startGuest(final String uri) {
        final Program guest =
                rig.startPython(
                        """
                        import time
                        h = connect(sys.argv[1])
                        n = 0
                        end = time.monotonic() + 50
                        while not os.path.exists(sys.argv[2]) and time.monotonic() < end:
                            n += 1
                            at = n * 37 % 1024 * 4096
                            data = n.to_bytes(8, 'big') * 512
                            h.pwrite(data, at)
                            same(h.pread(4096, at), data, f'write {n}')
                            if n == 100:
                                print('writes')
                        for k in range(max(1, n - 1023), n + 1):
                            same(h.pread(4096, k * 37 % 1024 * 4096), k.to_bytes(8, 'big') * 512)
                        """,
                        uri, rig.path("enough").toString());
        guest.awaitLine(line -> line.equals("writes"));
        return guest;
    }

    /** A secondary that is killed and started with the same arguments goes on where it was. */
    @Test
    void aKilledSecondaryGoesOn() {
        startBoth(Form.B, Notation.BLOCKDEV_ADD);
        replicateSome(Form.B);
        secondary.kill();
        startSecondary(Form.B);
        assertReads(checkpointed, secondaryGuest(Form.B));
        onSecondary.done(startServer(port));
        onSecondary.done(
                "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'writable': true"
                        + " } }");
        write(guest("pg", "colo1"), model);
        try (Control control = Control.connect(rig.path("p"))) {
            control.awaitDrained();
        }
        checkpoint();
        assertReads(model, secondaryGuest(Form.B));
    }

    /** Two disks are started, checkpointed, stopped and failed over together. */
    @Test
    void allDisksOfAProcessAreOneGroup() {
        final List<String> onSouth = new ArrayList<>(List.of("engine", "--qmp"));
        onSouth.addAll(List.of(rig.path("s").toString(), "--guest", guest("sg", "")));
        final List<String> onNorth = new ArrayList<>(List.of("engine", "--qmp"));
        onNorth.addAll(List.of(rig.path("p").toString(), "--guest", guest("pg", "")));
        for (final String disk : List.of("a", "b")) {
            rig.hole("1" + disk, LENGTH);
            rig.hole("2" + disk, LENGTH);
            onSouth.addAll(List.of("-drive", "driver=raw,file.filename=2" + disk + ",id=" + disk));
            onSouth.addAll(
                    List.of(
                            "--drive=id=top-"
                                    + disk
                                    + ",driver=replication,mode=secondary,file.driver=extents,"
                                    + "file.file.filename=active-"
                                    + disk
                                    + ",file.backing.driver=extents,file.backing.file.filename="
                                    + "hidden-"
                                    + disk
                                    + ",file.backing.backing="
                                    + disk));
            onNorth.addAll(
                    List.of(
                            "-drive",
                            "driver=quorum,read-pattern=fifo,vote-threshold=1,id="
                                    + disk
                                    + ",children.0.driver=raw,children.0.file.filename=1"
                                    + disk));
        }
        secondary = rig.server(onSouth);
        onSecondary = rig.keep(QmpLine.connect(rig.path("s")));
        onSecondary.done(startServer(port));
        primary = rig.server(onNorth);
        onPrimary = rig.keep(QmpLine.connect(rig.path("p")));
        for (final String disk : List.of("a", "b")) {
            onSecondary.done(
                    "{'execute':'nbd-server-add','arguments':{'device':'"
                            + disk
                            + "','writable':true}}");
            onPrimary.done(
                    "{'execute':'blockdev-add','arguments':{'driver':'replication','mode':'primary',"
                        + "'node-name':'to-"
                            + disk
                            + "','file':{'driver':'nbd','export':'"
                            + disk
                            + "','server':{'type':'inet','host':'127.0.0.1','port':'"
                            + port
                            + "'}}}}");
            onPrimary.done(
                    "{'execute':'x-blockdev-change','arguments':{'parent':'"
                            + disk
                            + "','node':'to-"
                            + disk
                            + "'}}");
        }
        onSecondary.done(setReplication(true, false));
        onPrimary.done(setReplication(true, true));
        final byte[] a = new byte[LENGTH];
        final byte[] b = new byte[LENGTH];
        write(guest("pg", "a"), a);
        write(guest("pg", "b"), b);
        onPrimary.done(CHECKPOINT);
        final byte[] laterA = a.clone();
        final byte[] laterB = b.clone();
        write(guest("pg", "a"), laterA);
        write(guest("pg", "b"), laterB);
        onPrimary.done(REMOVE_CHILD.replace("colo1", "a"));
        write(guest("pg", "b"), laterB);
        onPrimary.done(REMOVE_CHILD.replace("colo1", "b"));
        assertReads(laterA, guest("pg", "a"));
        assertReads(laterB, guest("pg", "b"));
        forceFailover();
        assertReads(a, guest("sg", "top-a"));
        assertReads(b, guest("sg", "top-b"));
    }

    /** Exports of the manager's server, with clients and without. */
    @Test
    void exportsAreRemovedSafelyAndHard() {
        startBoth(Form.A, Notation.BLOCKDEV_ADD);
        final String remove = "{ 'execute': 'nbd-server-remove', 'arguments': { 'name': 'colo1'";
        assertTrue(onSecondary.refusal(remove + " } }").startsWith("export 'colo1' still in use"));
        write(guest("pg", "colo1"), model);
        checkpoint();
        onSecondary.done(remove + ", 'mode': 'hard' } }");
        write(guest("pg", "colo1"), model);
        onSecondary.done(
                "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'writable': true"
                        + " } }");
        try (Control control = Control.connect(rig.path("p"))) {
            control.awaitDrained();
        }
        checkpoint();
        assertReads(model, secondaryGuest(Form.A));
    }

    /** The primary has left it behind: QEMU's word does not overrule that. */
    private void forceFailover() {
        try (Control control = Control.connect(rig.path("s"))) {
            control.await(
                    "left behind",
                    status -> status.get("standing").getAsString().equals("outdated"));
        }
        final String refusal = onSecondary.refusal(LOST_HEARTBEAT);
        assertTrue(refusal.contains("went on without this node"), refusal);
        final String done =
                onSecondary
                        .ask("{ 'execute': 'x-lockstep-failover', 'arguments': { 'force': true } }")
                        .toString();
        assertTrue(done.contains("return"), done);
    }
}
