package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What drives and exports are asked for, as the command lines of QEMU's users have it. */
final class BlockOptionsTest {
    private static final int LENGTH = 1 << 20;
    private static final int OFFSET = 64 << 10;
    private static final int SIZE = 512 << 10;

    @AutoClose private final Rig rig = new Rig();
    private QmpLine line;

    private LockstepProcess engine(final String... arguments) {
        final List<String> all =
                new ArrayList<>(
                        List.of(
                                "engine",
                                "-qmp",
                                rig.path("q").toString(),
                                "--guest",
                                "nbd+unix:///?socket=" + rig.path("g")));
        all.addAll(List.of(arguments));
        final LockstepProcess engine = rig.server(all);
        line = rig.keep(QmpLine.connect(rig.path("q")));
        line.done(
                "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix', 'data':"
                        + " { 'path': '"
                        + rig.path("n")
                        + "' } } } }");
        return engine;
    }

    private static String quorum(final String more) {
        return "if=virtio,driver=quorum,read-pattern=fifo,vote-threshold=1,id=a,"
                + "children.0.driver=raw,children.0.file.filename=d.img"
                + more;
    }

    private String guest() {
        return "nbd+unix:///a?socket=" + rig.path("g");
    }

    private String exported(final String name) {
        return "nbd+unix:///" + name + "?socket=" + rig.path("n");
    }

    private void export(final String node, final String more) {
        line.done(
                "{ 'execute': 'block-export-add', 'arguments': { 'type': 'nbd', 'id': 'e-"
                        + node
                        + "', 'node-name': '"
                        + node
                        + "'"
                        + more
                        + " } }");
    }

    private JsonObject stats(final String device) {
        return line
                .ask("{ 'execute': 'query-blockstats' }")
                .getAsJsonArray("return")
                .asList()
                .stream()
                .map(element -> element.getAsJsonObject())
                .filter(object -> object.get("device").getAsString().equals(device))
                .findFirst()
                .orElseThrow()
                .getAsJsonObject("stats");
    }

    /** A part of a file, replicated to a part of another: nothing around it is touched. */
    @Test
    void aPartOfAFileIsADisk() {
        final byte[] around = Rig.randomBytes(LENGTH, 1);
        final byte[] part = Rig.randomBytes(SIZE, 2);
        final Path file = rig.write(rig.hole("d.img", LENGTH), 0, around);
        final Path copy = rig.write(rig.hole("s.img", LENGTH), 0, around);
        final String range = "offset=" + OFFSET + ",size=" + SIZE;
        rig.server(
                List.of(
                        "engine",
                        "-drive",
                        "driver=raw,file.filename=s.img,id=a," + range,
                        "-drive",
                        "id=top,driver=replication,mode=secondary,file.driver=extents,"
                                + "file.file.filename=active,file.backing.driver=extents,"
                                + "file.backing.file.filename=hidden,file.backing.backing=a",
                        "-qmp",
                        rig.path("sq").toString(),
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("sg")));
        final QmpLine onSecondary = rig.keep(QmpLine.connect(rig.path("sq")));
        onSecondary.done(
                "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix', 'data':"
                        + " { 'path': '"
                        + rig.path("sn")
                        + "' } } } }");
        onSecondary.done("{'execute':'nbd-server-add','arguments':{'device':'a','writable':true}}");
        onSecondary.done(
                "{'execute':'xen-set-replication','arguments':{'enable':true,'primary':false}}");
        engine(
                "-drive",
                quorum(",children.0.offset=64K,children.0.size=512K")
                        + ",children.1.driver=replication,children.1.mode=primary,"
                        + "children.1.file.driver=nbd,children.1.file.server.type=unix,"
                        + "children.1.file.server.path="
                        + rig.path("sn")
                        + ",children.1.file.export=a");
        line.done("{'execute':'xen-set-replication','arguments':{'enable':true,'primary':true}}");
        rig.run(Tool.NBDCOPY, rig.write(rig.hole("part", 0), 0, part).toString(), guest());
        line.done("{ 'execute': 'xen-colo-do-checkpoint' }");
        final byte[] expected = around.clone();
        System.arraycopy(part, 0, expected, OFFSET, SIZE);
        assertArrayEquals(expected, Rig.read(file));
        rig.run(
                Tool.NBDCOPY,
                "nbd+unix:///top?socket=" + rig.path("sg"),
                rig.path("seen").toString());
        assertArrayEquals(part, Rig.read(rig.path("seen")));
        assertArrayEquals(expected, Rig.read(copy));
    }

    /** Reads, holes, and all that changes a disk, at both ends of the part. */
    @Test
    void aPartOfAFileIsReadAndChangedWithinItsBounds() {
        final byte[] around = Rig.randomBytes(LENGTH, 1);
        final Path file = rig.write(rig.hole("d.img", LENGTH), 0, around);
        engine(
                "--blockdev",
                "driver=file,node-name=f,filename=d.img",
                "--blockdev",
                "driver=raw,node-name=r,file=f,offset=" + OFFSET + ",size=" + SIZE);
        export("r", ", 'writable': true");
        rig.write(rig.hole("before", 0), 0, Arrays.copyOfRange(around, OFFSET, OFFSET + SIZE));
        rig.python(
                """
                h = connect(sys.argv[1])
                before = open(sys.argv[2], 'rb').read()
                size = h.get_size()
                assert size == len(before), size
                same(h.pread(size, 0), before)
                same(h.pread(1000, size - 1000), before[-1000:])
                h.pwrite(b'first', 0)
                h.pwrite(b'last', size - 4)
                h.pwrite(bytes([7]) * 65536, 100000)
                h.zero(4096, 8192)
                h.trim(65536, 262144)
                h.flush()
                extents = []
                h.block_status(size, 0, lambda c, o, e, err: extents.extend(e) or 0)
                assert sum(extents[::2]) == size, extents
                assert nbd.STATE_HOLE | nbd.STATE_ZERO in extents[1::2], extents
                u = unchecked(sys.argv[1])
                expect(errno.EINVAL, u.pread, 1, size)
                expect(errno.ENOSPC, u.pwrite, b'12', size - 1)
                """,
                exported("r"),
                rig.path("before").toString());
        final byte[] after = Rig.read(file);
        assertArrayEquals(
                Arrays.copyOf(around, OFFSET), Arrays.copyOf(after, OFFSET), "what is before");
        assertArrayEquals(
                Arrays.copyOfRange(around, OFFSET + SIZE, LENGTH),
                Arrays.copyOfRange(after, OFFSET + SIZE, LENGTH),
                "what is behind");
        assertEquals("first", new String(after, OFFSET, 5, StandardCharsets.UTF_8));
        assertEquals("last", new String(after, OFFSET + SIZE - 4, 4, StandardCharsets.UTF_8));
        assertEquals(7, after[OFFSET + 100_000]);
        assertEquals(0, after[OFFSET + 8192]);
        assertEquals(0, after[OFFSET + 262_144]);
    }

    @Test
    void whatIsReadOnlyIsServedSo() {
        final Path file = rig.random("d.img", LENGTH, 1);
        final byte[] before = Rig.read(file);
        rig.hole("e.img", LENGTH);
        engine(
                "-drive",
                quorum(",read-only=on"),
                "-drive",
                "file=e.img,id=e,format=raw,readonly=on");
        line.done("{'execute':'nbd-server-add','arguments':{'device':'a','writable':true}}");
        for (final String uri : List.of(guest(), exported("a"))) {
            rig.python(
                    """
                    h = unchecked(sys.argv[1])
                    assert h.is_read_only()
                    expect(errno.EPERM, h.pwrite, b'1', 0)
                    expect(errno.EPERM, h.zero, 1, 0)
                    """,
                    uri);
        }
        assertArrayEquals(before, Rig.read(file));
        assertEquals(
                "Block node is read-only",
                line.refusal(
                        "{ 'execute': 'block-export-add', 'arguments': { 'type': 'nbd', 'id': 'x',"
                                + " 'name': 'x', 'node-name': 'a', 'writable': true } }"));
        assertFalse(stats("a").get("wr_operations").getAsLong() > 0);
    }

    /** Where trims are to be ignored nothing makes a hole, and nobody is told that it could. */
    @ParameterizedTest
    @ValueSource(strings = {",children.0.discard=ignore", ",discard=off"})
    void whatIsTrimmedStays(final String option) {
        rig.random("d.img", LENGTH, 1);
        engine("-drive", quorum(option));
        rig.python(
                """
                h = connect(sys.argv[1])
                assert not h.can_trim()
                h.zero(65536, 0)
                h.flush()
                assert os.stat('d.img').st_blocks * 512 >= %d
                """
                        .formatted(LENGTH),
                guest());
    }

    /** True figures, of the guest's and of exports, each of its own. */
    @Test
    void whatIsDoneIsCounted() {
        rig.random("d.img", LENGTH, 1);
        rig.random("e.img", LENGTH, 1);
        engine("-drive", quorum(",cache=writethrough"), "-drive", "file=e.img,id=e,format=raw");
        line.done("{'execute':'nbd-server-add','arguments':{'device':'e','writable':true}}");
        final String script =
                """
                h = connect(sys.argv[1])
                h.pwrite(bytes(1000), 3000)
                h.pread(65536, 0)
                h.pread(512, 0)
                h.zero(500, 0)
                h.trim(4096, 8192)
                h.flush()
                """;
        rig.python(script, guest());
        rig.python(script, guest());
        rig.python(script, exported("e"));
        assertCounted(2, stats("a"));
        assertCounted(1, stats("e"));
        assertEquals(
                5,
                line.ask("{ 'execute': 'query-blockstats', 'arguments': { 'query-nodes': true } }")
                        .getAsJsonArray("return")
                        .size());
    }

    private static void assertCounted(final long times, final JsonObject stats) {
        assertEquals(2 * times, stats.get("wr_operations").getAsLong());
        assertEquals(1500 * times, stats.get("wr_bytes").getAsLong());
        assertEquals(2 * times, stats.get("rd_operations").getAsLong());
        assertEquals((65_536 + 512) * times, stats.get("rd_bytes").getAsLong());
        assertEquals(times, stats.get("unmap_operations").getAsLong());
        assertEquals(4096 * times, stats.get("unmap_bytes").getAsLong());
        assertEquals(times, stats.get("flush_operations").getAsLong());
        assertEquals(4000, stats.get("wr_highest_offset").getAsLong());
    }

    /** A secondary that comes a little later is waited for, where that is said. */
    @Test
    void aServerIsWaitedFor() {
        engine();
        final Program asked =
                rig.startPython(
                        """
                        import json, socket
                        s = socket.socket(socket.AF_UNIX)
                        s.connect(sys.argv[1])
                        f = s.makefile('rw')
                        f.readline()
                        def ask(text):
                            f.write(text + '\\n')
                            f.flush()
                            return f.readline()
                        ask('{"execute":"qmp_capabilities"}')
                        print('asking', flush=True)
                        print(ask(sys.argv[2]).strip(), flush=True)
                        """,
                        rig.path("q").toString(),
                        "{'execute':'blockdev-add','arguments':{'driver':'nbd','node-name':'n',"
                                + "'open-timeout':60,'server':{'type':'unix','path':'"
                                + rig.path("late")
                                + "'},'export':'disk'}}");
        asked.awaitLine(said -> said.equals("asking"));
        rig.server(
                List.of(
                        "serve",
                        "--disk",
                        "disk=" + rig.hole("d.img", LENGTH),
                        "--listen",
                        "nbd+unix:///?socket=" + rig.path("late")));
        asked.awaitLine(said -> said.equals("{\"return\":{}}"));
    }

    /** They ask for a machine, or for none; there is none. */
    @Test
    void argumentsOfAMachineMeanNothing() {
        rig.hole("d.img", LENGTH);
        final LockstepProcess engine =
                engine(
                        "-S",
                        "-name",
                        "guest=vm1",
                        "-m",
                        "512",
                        "-smp",
                        "2",
                        "-cpu",
                        "host",
                        "-machine",
                        "none",
                        "-nodefaults",
                        "-display",
                        "none",
                        "-drive",
                        quorum(""));
        assertEquals(
                "lockstep engine: there is no guest here: -S, -m, -smp, -cpu, -machine,"
                        + " -nodefaults, -display mean nothing\n",
                engine.err());
        final LockstepProcess refused =
                LockstepProcess.start(
                        rig.directory(),
                        List.of("engine", "-machine", "q35", "-qmp", rig.path("q2").toString()));
        assertEquals(2, refused.awaitExit(), refused::toString);
        assertTrue(refused.err().contains("'q35' can't be had: there is no guest"), refused::err);
    }

    /** The first that can be had. */
    @Test
    void aPortOfSeveralIsTaken() throws IOException {
        engine();
        line.done("{ 'execute': 'nbd-server-stop' }");
        final String start =
                "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'inet', 'data':"
                        + " { 'host': '127.0.0.1', 'port': '%d', 'to': %d, 'ipv4': true,"
                        + " 'keep-alive': true } } } }";
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.ofLiteral("127.0.0.1"))) {
            final int port = taken.getLocalPort();
            assertTrue(
                    line.refusal(String.format(start, port, port)).contains("127.0.0.1:" + port));
            line.done(String.format(start, port, Math.min(65_535, port + 100)));
        }
    }
}
