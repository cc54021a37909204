package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.JsonText;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * Throttle groups and nodes: a mirror, a guest and a copy go no faster than their limits, and as
 * fast as they can as soon as those are gone. What is judged is that not more than a bound has come
 * by a moment that was looked at afterwards, so that a slow machine fails nothing.
 */
final class ThrottleTest {
    private static final int LENGTH = 16 << 20;

    /** Bytes a second. */
    private static final int RATE = 1 << 20;

    /** What may be on top of the rate: a burst, and what is begun with, in bytes. */
    private static final int AHEAD = 3 << 20;

    private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(2);

    @AutoClose private final Rig rig = new Rig();
    private QmpLine line;

    private void start(final ReplicationPeer peer, final List<String> arguments) {
        line = rig.keep(QmpLine.connect(peer.start(rig, "north", arguments).secondMonitor()));
    }

    private Path disk() {
        return rig.random("north.img", LENGTH, 1);
    }

    private void addTarget() {
        line.done(
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'nbd', 'node-name': 'nbd0',"
                        + " 'server': { 'type': 'unix', 'path': '"
                        + rig.socket()
                        + "' }, 'export': 'disk', 'detect-zeroes': 'on' } }");
    }

    private void mirror(final String device, final String target) {
        line.done(
                "{ 'execute': 'blockdev-mirror', 'arguments': { 'device': '"
                        + device
                        + "', 'job-id': 'resync', 'target': '"
                        + target
                        + "', 'sync': 'full', 'on-target-error': 'report', 'on-source-error':"
                        + " 'ignore', 'auto-dismiss': false } }");
    }

    private void limit(final String limits) {
        line.done(limiting(limits));
    }

    private static String limiting(final String limits) {
        return "{ 'execute': 'qom-set', 'arguments': { 'path': '/objects/throttle0', 'property':"
                + " 'limits', 'value': { "
                + limits
                + " } } }";
    }

    /** Bytes of a file that are as they are to be. */
    private static long come(final Path disk, final Path target) {
        final byte[] wanted = Rig.read(disk);
        final byte[] there = Rig.read(target);
        long count = 0;
        for (int block = 0; block < wanted.length; block += 4096) {
            boolean isThere = true;
            for (int at = block; at < block + 4096 && isThere; at++) {
                isThere = wanted[at] == there[at];
            }
            count += isThere ? 4096 : 0;
        }
        return count;
    }

    /** Looks for some time that no more comes than may; answers how much has come. */
    private static long watch(final Path disk, final Path target) {
        final long start = System.nanoTime();
        long count = 0;
        while (System.nanoTime() - start < WINDOW_NANOS) {
            count = come(disk, target);
            final double seconds = (System.nanoTime() - start) / 1e9;
            final long most = (long) (seconds * RATE) + AHEAD;
            assertTrue(count <= most, count + " bytes in " + seconds + " s");
            Rig.pause();
        }
        return count;
    }

    /** Sends a command; waits until it is done, and the job stands so, whichever comes first. */
    private void awaitAfter(final String command, final String status) {
        line.send(command + "\n");
        boolean isDone = false;
        boolean isThere = false;
        while (!isDone || !isThere) {
            final JsonObject message = line.nextOfAny();
            assertFalse(message.has("error"), message::toString);
            isDone |= message.has("return");
            isThere |=
                    message.has("event")
                            && message.get("event").getAsString().equals("JOB_STATUS_CHANGE")
                            && message.getAsJsonObject("data")
                                    .get("status")
                                    .getAsString()
                                    .equals(status);
        }
    }

    /** As fast as it can: by the bound that any test has, not by one of this one. */
    private void assertFreed(final Path disk, final Path target) {
        awaitAfter(limiting("'bps-total': 0, 'bps-read': 0, 'bps-write': 0"), "ready");
        line.done("{ 'execute': 'stop' }");
        awaitAfter(
                "{ 'execute': 'block-job-cancel', 'arguments': { 'device': 'resync' } }",
                "concluded");
        line.done("{ 'execute': 'block-job-dismiss', 'arguments': { 'id': 'resync' } }");
        ReplicatedPair.assertSame(disk, target);
    }

    @ParameterizedTest
    @EnumSource(ReplicationPeer.class)
    void aMirrorSendsNoFasterThanItsTargetMay(final ReplicationPeer peer) {
        final Path disk = disk();
        final Path target = rig.hole("target", LENGTH);
        rig.serve(target);
        start(peer, List.of("-drive", "if=none,id=a,driver=raw,file.filename=" + disk, "-S"));
        line.done(
                "{ 'execute': 'object-add', 'arguments': { 'qom-type': 'throttle-group', 'id':"
                        + " 'throttle0', 'limits': { 'bps-write': "
                        + RATE
                        + " } } }");
        addTarget();
        line.done(
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'throttle', 'node-name':"
                        + " 'slow', 'throttle-group': 'throttle0', 'file': 'nbd0' } }");
        mirror("a", "slow");
        watch(disk, target);
        assertFreed(disk, target);
        assertTrue(
                line.refusal("{ 'execute': 'object-del', 'arguments': { 'id': 'throttle0' } }")
                        .startsWith("object 'throttle0' is in use, can not be deleted"));
        line.done("{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'slow' } }");
        line.done("{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'nbd0' } }");
        line.done("{ 'execute': 'object-del', 'arguments': { 'id': 'throttle0' } }");
    }

    /** As colo-heartbeat-daemon sets its guest's disk up, and resynchronises it. */
    @ParameterizedTest
    @EnumSource(ReplicationPeer.class)
    void aMirrorReadsNoFasterThanItsSourceMay(final ReplicationPeer peer) {
        final Path disk = disk();
        final Path target = rig.hole("target", LENGTH);
        rig.serve(target);
        start(
                peer,
                List.of(
                        "-drive",
                        "if=none,node-name=parent0,format=raw,file=" + disk,
                        "-drive",
                        "if=none,node-name=quorum0,driver=quorum,read-pattern=fifo,"
                                + "vote-threshold=1,children.0=parent0",
                        "-drive",
                        "if=none,node-name=colo-disk0,driver=throttle,throttle-group=throttle0,"
                                + "file.driver=raw,file.file=quorum0",
                        "-no-shutdown",
                        "-no-reboot",
                        "-object",
                        "throttle-group,id=throttle0"));
        limit("'bps-read': " + RATE + ", 'bps-write': " + RATE);
        addTarget();
        mirror("colo-disk0", "nbd0");
        watch(disk, target);
        assertFreed(disk, target);
        line.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'quorum0', 'node':"
                        + " 'nbd0' } }");
        line.done("{ 'execute': 'cont' }");
        line.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'quorum0', 'child':"
                        + " 'children.1' } }");
        line.done("{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'nbd0' } }");
    }

    /** Where a throttle may lie, with its guest's exports; what is written is there in the end. */
    private void assertGuestLimited(final String name, final List<String> arguments) {
        final Path disk = rig.hole("south.img", LENGTH);
        final List<String> all = new ArrayList<>(arguments);
        all.replaceAll(argument -> argument.replace("DISK", disk.toString()));
        all.addAll(
                List.of(
                        "-object",
                        "throttle-group,id=throttle0,x-bps-write=" + RATE,
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("guest")));
        start(ReplicationPeer.LOCKSTEP, all);
        final String uri = "nbd+unix:///" + name + "?socket=" + rig.path("guest");
        final Program guest =
                rig.startPython(
                        """
                        h = connect(sys.argv[1])
                        data = pattern(int(sys.argv[2]), 5)
                        for at in range(0, len(data), 65536):
                            h.pwrite(data[at:at + 65536], at)
                        same(h.pread(len(data), 0), data)
                        """,
                        uri,
                        Integer.toString(LENGTH / 2));
        final long start = System.nanoTime();
        final Path wanted = rig.path("wanted");
        rig.python(
                """
                open(sys.argv[1], 'wb').write(pattern(int(sys.argv[2]), 5) + bytes(int(sys.argv[2])))
                """,
                wanted.toString(),
                Integer.toString(LENGTH / 2));
        while (System.nanoTime() - start < WINDOW_NANOS) {
            final double before = (System.nanoTime() - start) / 1e9;
            final long zeroes = LENGTH / 2;
            final long count = come(wanted, disk) - zeroes;
            final double seconds = (System.nanoTime() - start) / 1e9;
            assertTrue(
                    count <= (long) (seconds * RATE) + AHEAD,
                    count + " bytes in " + before + " to " + seconds + " s");
            Rig.pause();
        }
        limit("'bps-write': 0");
        assertEquals(0, guest.awaitExit(), guest::toString);
        ReplicatedPair.assertSame(wanted, disk);
    }

    @Test
    void aGuestWritesNoFasterThanTheThrottleOverItsQuorumLets() {
        assertGuestLimited(
                "colo-disk0",
                List.of(
                        "-drive",
                        "if=none,id=q,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                                + "children.0.driver=raw,children.0.file.filename=DISK",
                        "-drive",
                        "if=none,id=colo-disk0,driver=throttle,throttle-group=throttle0,"
                                + "file.driver=raw,file.file=q"));
    }

    @Test
    void aGuestWritesNoFasterThanTheThrottleUnderItsQuorumLets() {
        assertGuestLimited(
                "q",
                List.of(
                        "-drive",
                        "if=none,id=q,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                                + "children.0.driver=throttle,children.0.throttle-group=throttle0,"
                                + "children.0.file.driver=raw,children.0.file.file.filename=DISK"));
    }

    /** As in QEMU: what is under way would take an hour otherwise. */
    @Test
    void neitherAStopNorTheEndWaitsForLimits() {
        final Path disk = rig.hole("south.img", LENGTH);
        final Path monitor = rig.path("qmp");
        final LockstepProcess engine =
                rig.server(
                        List.of(
                                "engine",
                                "--qmp",
                                monitor.toString(),
                                "--object",
                                "throttle-group,id=throttle0,x-bps-write=1024",
                                "--drive",
                                "if=none,id=q,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                                        + "children.0.driver=throttle,"
                                        + "children.0.throttle-group=throttle0,"
                                        + "children.0.file.driver=raw,"
                                        + "children.0.file.file.filename="
                                        + disk,
                                "--guest",
                                "nbd+unix:///?socket=" + rig.path("guest")));
        line = rig.keep(QmpLine.connect(monitor));
        final Program guest =
                rig.startTalkingPython(
                        """
                        h = connect(sys.stdin.readline().strip())
                        data = nbd.Buffer.from_bytearray(bytearray(b'x' * 65536))
                        writes = [h.aio_pwrite(data, 65536 * n) for n in range(64)]
                        print('begun', flush=True)
                        for write in writes:
                            while not h.aio_command_completed(write):
                                h.poll(-1)
                        """);
        guest.say("nbd+unix:///q?socket=" + rig.path("guest"));
        guest.awaitLine("begun"::equals);
        line.done("{ 'execute': 'stop' }");
        line.done("{ 'execute': 'cont' }");
        engine.terminate();
        assertEquals(0, engine.awaitExit(), engine::toString);
    }

    /** Over the disk that the primary writes, and over what its guest uses after the failover. */
    @Test
    void aSecondaryMayHaveOneOverItsDiskAndOneOverItsGuest() {
        final Path disk = rig.hole("south.img", LENGTH);
        final ReplicationPeer.Engine secondary =
                ReplicationPeer.LOCKSTEP.start(
                        rig,
                        "south",
                        List.of(
                                "-object",
                                "throttle-group,id=throttle0",
                                "-drive",
                                "if=none,id=a,driver=throttle,throttle-group=throttle0,"
                                        + "file.driver=raw,file.file.filename="
                                        + disk,
                                "-drive",
                                "if=none,node-name=childs0,top-id=colo-disk0,driver=replication,"
                                        + "mode=secondary,file.driver=extents,file.file.filename="
                                        + rig.path("active")
                                        + ",file.backing.driver=extents,file.backing.file.filename="
                                        + rig.path("hidden")
                                        + ",file.backing.backing=a",
                                "-drive",
                                "if=none,node-name=quorum0,driver=quorum,read-pattern=fifo,"
                                        + "vote-threshold=1,children.0=childs0",
                                "-drive",
                                "if=none,node-name=colo-disk0,driver=throttle,"
                                        + "throttle-group=throttle0,file.driver=raw,"
                                        + "file.file=quorum0",
                                "--guest",
                                "nbd+unix:///?socket=" + rig.path("guest")));
        final Path stream = rig.path("stream");
        secondary
                .control()
                .execute(
                        "nbd-server-start",
                        "{'addr': {'type': 'unix', 'data': {'path': '" + stream + "'}}}");
        secondary.control().execute("nbd-server-add", "{'device': 'a', 'writable': true}");
        secondary.control().execute("xen-set-replication", ReplicationSide.startArguments(false));
        final ReplicationSide primary =
                ReplicationSide.primary(
                        ReplicationPeer.LOCKSTEP, rig, "north", rig.hole("north.img", LENGTH));
        primary.attach(stream);
        primary.start();
        line = rig.keep(QmpLine.connect(secondary.secondMonitor()));
        limit("'bps-write': " + 4 * RATE);
        final String script =
                """
                h = connect(sys.argv[1])
                h.pwrite(pattern(int(sys.argv[2]), 5), int(sys.argv[3]))
                h.flush()
                """;
        rig.python(script, primary.guest(), Integer.toString(LENGTH / 4), "0");
        primary.checkpoint();
        primary.engine().kill();
        line.done("{ 'execute': 'nbd-server-stop' }");
        line.done("{ 'execute': 'x-colo-lost-heartbeat' }");
        final String guest = "nbd+unix:///colo-disk0?socket=" + rig.path("guest");
        rig.python(script, guest, Integer.toString(LENGTH / 4), Integer.toString(LENGTH / 2));
        secondary.control().awaitMerged();
        rig.python(
                """
                h = connect(sys.argv[1])
                data = pattern(int(sys.argv[2]), 5)
                same(h.pread(len(data), 0), data)
                same(h.pread(len(data), 2 * len(data)), data)
                """,
                guest,
                Integer.toString(LENGTH / 4));
        assertTrue(
                line.refusal("{ 'execute': 'object-del', 'arguments': { 'id': 'throttle0' } }")
                        .startsWith("object 'throttle0' is in use"));
    }

    /** What can't be limited is refused, and leaves nothing behind. */
    @Test
    void whereItCanNotLieItIsRefused() {
        start(
                ReplicationPeer.LOCKSTEP,
                List.of(
                        "-drive",
                        "if=none,id=q,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                                + "children.0.driver=raw,children.0.file.filename="
                                + disk(),
                        "-object",
                        "throttle-group,id=throttle0"));
        rig.serve(rig.hole("target", LENGTH));
        addTarget();
        line.done(
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'throttle', 'node-name':"
                        + " 'slow', 'throttle-group': 'throttle0', 'file': 'nbd0' } }");
        assertRefused(
                "node 'r': with mode=primary it stands on driver=nbd",
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'replication', 'mode':"
                        + " 'primary', 'node-name': 'r', 'file': 'slow' } }");
        assertRefused(
                "node 'slow' can't be exported",
                "{ 'execute': 'block-export-add', 'arguments': { 'type': 'nbd', 'id': 'e',"
                        + " 'node-name': 'slow' } }",
                "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix', 'data':"
                        + " { 'path': '"
                        + rig.path("server")
                        + "' } } } }");
        line.done("{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'slow' } }");
        line.done("{ 'execute': 'object-del', 'arguments': { 'id': 'throttle0' } }");
        assertRefused(
                "Throttle group 'throttle0' does not exist",
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'throttle', 'node-name':"
                        + " 'slow', 'throttle-group': 'throttle0', 'file': 'q' } }");
        assertRefused(
                "Parameter 'qom-type' does not accept value 'iothread'; there is",
                "{ 'execute': 'object-add', 'arguments': { 'qom-type': 'iothread', 'id': 'i' } }");
    }

    private void assertRefused(final String begin, final String command, final String... before) {
        for (final String one : before) {
            line.done(one);
        }
        final String refusal = line.refusal(command);
        assertTrue(refusal.startsWith(begin), () -> command + " is refused with: " + refusal);
    }

    /** A guest does not wait for it, and what it was told is written is there after a stop. */
    @Test
    void aCopyIsWrittenNoFasterThanItsThrottleLets() {
        final Path disk = rig.hole("north.img", LENGTH);
        final Path target = rig.hole("target", LENGTH);
        rig.serve(target);
        start(
                ReplicationPeer.LOCKSTEP,
                List.of(
                        "-drive",
                        "if=none,id=q,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                                + "children.0.driver=raw,children.0.file.filename="
                                + disk,
                        "-object",
                        "throttle-group,id=throttle0,x-bps-total=" + RATE,
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("guest")));
        addTarget();
        line.done(
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'throttle', 'node-name':"
                        + " 'slow', 'throttle-group': 'throttle0', 'file': 'nbd0' } }");
        line.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'q', 'node': 'slow' }"
                        + " }");
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(pattern(int(sys.argv[2]), 5), 0)
                """,
                "nbd+unix:///q?socket=" + rig.path("guest"),
                Integer.toString(LENGTH / 2));
        final long zeroes = LENGTH / 2;
        assertTrue(come(disk, target) - zeroes < LENGTH / 4, "it was all there at once");
        line.done("{ 'execute': 'stop' }");
        ReplicatedPair.assertSame(disk, target);
    }

    /** What QEMU answers, both answer: in class, and in the words that an answer begins with. */
    @Test
    void limitsAreCheckedInQemusWords() {
        final QmpLine qemu =
                rig.keep(QmpLine.connect(QemuProcess.start(rig, "q", List.of()).secondMonitor()));
        start(ReplicationPeer.LOCKSTEP, List.of());
        for (final String question : QUESTIONS) {
            final JsonObject theirs = qemu.ask(question);
            final JsonObject ours = line.ask(question);
            assertEquals(theirs.has("error"), ours.has("error"), () -> question + "\n" + ours);
            if (theirs.has("error")) {
                assertEquals(member(theirs, "class"), member(ours, "class"), question);
                assertTrue(
                        member(ours, "desc").startsWith(member(theirs, "desc")),
                        () -> question + "\n" + theirs + "\n" + ours);
            } else {
                assertEquals(sorted(theirs.get("return")), sorted(ours.get("return")), question);
            }
        }
    }

    /** Its node and its drive: the same as QEMU's, as far as anything of it is here. */
    @ParameterizedTest
    @EnumSource(ReplicationPeer.class)
    void itsNodeIsToldAsQemuTellsOfIt(final ReplicationPeer peer) {
        start(
                peer,
                List.of(
                        "-object",
                        "throttle-group,id=throttle0",
                        "-drive",
                        "if=none,id=d,node-name=slow,driver=throttle,throttle-group=throttle0,"
                                + "file.driver=raw,file.node-name=raw0,file.file.filename="
                                + disk()));
        final JsonObject drive =
                line.ask("{ 'execute': 'query-block' }")
                        .getAsJsonArray("return")
                        .get(0)
                        .getAsJsonObject();
        final JsonObject node = drive.getAsJsonObject("inserted");
        assertEquals("d", drive.get("device").getAsString());
        assertEquals("slow", node.get("node-name").getAsString());
        assertEquals("throttle", node.get("drv").getAsString());
        assertEquals(1, node.get("backing_file_depth").getAsInt());
        assertEquals(0, node.get("bps").getAsInt()); // which QEMU has of a drive's own limits
        final JsonObject image = node.getAsJsonObject("image");
        assertEquals("throttle", image.get("format").getAsString());
        assertEquals(LENGTH, image.get("virtual-size").getAsLong());
        assertEquals("raw", image.getAsJsonObject("backing-image").get("format").getAsString());
        final String file = node.get("file").getAsString();
        assertTrue(file.startsWith("json:{"), file);
        final JsonObject options =
                JsonText.value(file.substring("json:".length())).getAsJsonObject();
        assertEquals("throttle0", options.get("throttle-group").getAsString());
        assertEquals("throttle", options.get("driver").getAsString());
        assertEquals("raw", options.getAsJsonObject("file").get("driver").getAsString());
    }

    private static String member(final JsonObject answer, final String name) {
        return answer.getAsJsonObject("error").get(name).getAsString();
    }

    private static String sorted(final JsonElement value) {
        if (!value.isJsonObject()) {
            return value.toString();
        }
        return new TreeMap<>(value.getAsJsonObject().asMap()).toString();
    }

    private static String add(final String more) {
        return "{ 'execute': 'object-add', 'arguments': { 'qom-type': 'throttle-group', 'id': 't1'"
                + more
                + " } }";
    }

    private static String limits(final String limits) {
        return add(", 'limits': { " + limits + " }");
    }

    private static String set(final String property, final String value) {
        return "{ 'execute': 'qom-set', 'arguments': { 'path': '/objects/t1', 'property': '"
                + property
                + "', 'value': "
                + value
                + " } }";
    }

    private static String get(final String path, final String property) {
        return "{ 'execute': 'qom-get', 'arguments': { 'path': '"
                + path
                + "', 'property': '"
                + property
                + "' } }";
    }

    private static String remove(final String id) {
        return "{ 'execute': 'object-del', 'arguments': { 'id': '" + id + "' } }";
    }

    private static final List<String> QUESTIONS =
            List.of(
                    "{ 'execute': 'object-add' }",
                    "{ 'execute': 'object-add', 'arguments': { 'id': 't1' } }",
                    "{ 'execute': 'object-add', 'arguments': { 'qom-type': 'throttle-group' } }",
                    "{ 'execute': 'object-add', 'arguments': { 'qom-type': 'zz', 'id': 't1' } }",
                    "{ 'execute': 'object-add', 'arguments': { 'qom-type': 'throttle-group', 'id':"
                            + " '1t' } }",
                    add(", 'x-bps-total': -1"),
                    add(", 'x-bps-total': 1000, 'x-bps-read': 1"),
                    add(", 'x-bps-total': 'a'"),
                    add(", 'bps-total': 1"),
                    limits("'bps-total': -1"),
                    limits("'bps-total': 1000, 'bps-write': 1"),
                    limits("'iops-total': 1000, 'iops-read': 1"),
                    limits("'bps-total': 1000, 'bps-total-max': 1"),
                    limits("'bps-total-max': 1"),
                    limits("'bps-total': 1, 'bps-total-max-length': 2"),
                    limits("'bps-total': 1, 'bps-total-max': 2, 'bps-total-max-length': 0"),
                    limits(
                            "'bps-total': 1, 'bps-total-max': 2, 'bps-total-max-length':"
                                    + " 4294967296"),
                    limits(
                            "'bps-total': 1, 'bps-total-max': 1000000000000000,"
                                    + " 'bps-total-max-length': 4294967"),
                    limits("'bps-total': 1000000000000001"),
                    limits("'iops-size': 4096"),
                    limits("'bps-nothing': 1"),
                    limits("'bps-total': '1'"),
                    get("/objects/t1", "limits"),
                    limits("'bps-total': 7000, 'bps-total-max': 9000, 'bps-total-max-length': 3"),
                    add(""),
                    get("/objects/t1", "limits"),
                    get("/objects/t1", "x-bps-total-max"),
                    get("t1", "type"),
                    get("/objects/t9", "limits"),
                    get("/objects/t1", "x-bps-nothing"),
                    set("x-bps-total", "3"),
                    set("nothing", "3"),
                    set("limits", "3"),
                    set("limits", "{ 'bps-total': -3 }"),
                    set("limits", "{ 'bps-nothing': 3 }"),
                    set("limits", "{ 'bps-write': 3 }"),
                    set("limits", "{ 'iops-write': 3 }"),
                    get("/objects/t1", "limits"),
                    set(
                            "limits",
                            "{ 'bps-total': 0, 'bps-total-max': 0, 'bps-total-max-length': 1,"
                                    + " 'bps-write': 9000 }"),
                    set("limits", "{}"),
                    get("/objects/t1", "limits"),
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'throttle',"
                            + " 'node-name': 'x', 'throttle-group': 't9', 'file': 'nobody' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'throttle',"
                            + " 'node-name': 'x', 'throttle-group': 't1' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'throttle',"
                            + " 'node-name': 'x', 'file': 'nobody' } }",
                    remove("t9"),
                    remove("t1"),
                    remove("t1"));
}
