package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.List;

/** {@code lockstep serve} against nbdinfo: what it tells of its exports. */
final class NbdinfoTest {
    private static final int MIB = 1 << 20;

    @AutoClose private final Rig rig = new Rig();

    private static void assertContains(final Tool.Output output, final String... pieces) {
        for (final String piece : pieces) {
            assertTrue(output.out().contains(piece), () -> "no " + piece + " in " + output);
        }
    }

    @Test
    void anExportSaysHowLongItIsAndWhatItCanDo() {
        rig.serve(rig.hole("disk.img", 100_001));
        assertContains(
                rig.run(Tool.NBDINFO, rig.uri()),
                "newstyle-fixed without TLS, using structured packets",
                "export=\"disk\"",
                "description: disk.img",
                "export-size: 100001",
                "base:allocation",
                "is_read_only: false",
                "can_cache: true",
                "can_df: true",
                "can_fast_zero: true",
                "can_flush: true",
                "can_fua: true",
                "can_multi_conn: true",
                "can_trim: true",
                "can_zero: true",
                "block_size_minimum: 1",
                "block_size_preferred: 4096",
                "block_size_maximum: 33554432");
        rig.run(Tool.NBDINFO, "--can", "fua", rig.uri());
        rig.end(Tool.NBDINFO, "--is", "read-only", rig.uri()).requireFailure();
        assertEquals("100001\n", rig.run(Tool.NBDINFO, "--size", rig.uri()).out());
    }

    @Test
    void severalDisksAreListedInTheirOrder() {
        rig.serveWith(
                "--disk", "vdb=" + rig.hole("b.img", 2 * MIB),
                "--disk", "vda=" + rig.hole("a.img", MIB),
                "--disk", "vdc=" + rig.hole("c.img", 3 * MIB),
                "--listen", rig.uri(""));
        final Tool.Output listed = rig.run(Tool.NBDINFO, "--list", rig.uri(""));
        final List<String> lines =
                listed.out()
                        .lines()
                        .map(String::strip)
                        .filter(line -> line.matches("(export=|export-size:).*"))
                        .toList();
        assertEquals(
                List.of(
                        "export=\"vdb\":",
                        "export-size: 2097152 (2M)",
                        "export=\"vda\":",
                        "export-size: 1048576 (1M)",
                        "export=\"vdc\":",
                        "export-size: 3145728 (3M)"),
                lines);
        assertContains(
                rig.run(Tool.NBDINFO, "--json", "--list", rig.uri("")),
                "\"export-name\": \"vda\"",
                "\"export-size\": 3145728",
                "\"contexts\": [\n\t\t\"base:allocation\"");
    }

    @Test
    void theMapIsTheFilesLayout() {
        final Path file = rig.hole("disk.img", 8 * MIB);
        rig.write(file, 64 << 10, Rig.randomBytes(72 << 10, 1));
        rig.write(file, 3 * MIB, Rig.randomBytes(MIB, 2));
        rig.write(file, 8 * MIB - 4096, Rig.randomBytes(4096, 3));
        rig.serve(file);
        final List<FileLayout.Extent> told =
                rig.run(Tool.NBDINFO, "--map", rig.uri())
                        .out()
                        .lines()
                        .map(line -> line.strip().split("\\s+"))
                        .map(
                                words ->
                                        new FileLayout.Extent(
                                                Long.parseLong(words[0]),
                                                Long.parseLong(words[1]),
                                                words[3].equals("hole,zero")))
                        .toList();
        final FileLayout layout = FileLayout.of(file);
        assertEquals(layout.extents(), told);
        assertEquals(6, told.size(), "holes and data in turn");
    }

    @Test
    void aReadOnlyDiskSaysSo() {
        final Path file = rig.hole("disk.img", MIB);
        rig.serveWith("--disk", "disk=" + file, "--read-only", "--listen", rig.uri(""));
        rig.run(Tool.NBDINFO, "--is", "read-only", rig.uri());
        for (final String refused : List.of("trim", "zero", "fast-zero")) {
            rig.end(Tool.NBDINFO, "--can", refused, rig.uri()).requireFailure();
        }
        for (final String granted : List.of("flush", "fua", "cache", "df", "multi-conn")) {
            rig.run(Tool.NBDINFO, "--can", granted, rig.uri());
        }
    }

    @Test
    void tcpAndUnixSocketsServeTheSameDisks() {
        final LockstepProcess lockstep =
                rig.serveWith(
                        "--disk",
                        "disk=" + rig.hole("disk.img", MIB),
                        "--listen",
                        "nbd://localhost:0",
                        "--listen",
                        rig.uri(""));
        final String tcp = "nbd://localhost:" + lockstep.port() + "/disk";
        assertEquals("1048576\n", rig.run(Tool.NBDINFO, "--size", tcp).out());
        assertEquals("1048576\n", rig.run(Tool.NBDINFO, "--size", rig.uri()).out());
        assertEquals(
                "ready: serving disk on nbd://localhost:" + lockstep.port() + "/, " + rig.uri(""),
                lockstep.ready());
    }

    @Test
    void aListenerWithoutAHostIsOnEveryAddress() {
        final LockstepProcess lockstep =
                rig.serveWith(
                        "--disk", "disk=" + rig.hole("disk.img", MIB), "--listen", "nbd://:0");
        rig.run(Tool.NBDINFO, "--size", "nbd://127.0.0.1:" + lockstep.port() + "/disk");
    }

    @Test
    void theEmptyNameMeansTheOnlyDisk() {
        rig.serve(rig.hole("disk.img", MIB));
        assertEquals("1048576\n", rig.run(Tool.NBDINFO, "--size", rig.uri("")).out());
    }

    @Test
    void anUnknownNameIsAnsweredWithTheNamesThereAre() {
        rig.serveWith(
                "--disk", "vda=" + rig.hole("a.img", MIB),
                "--disk", "vdb=" + rig.hole("b.img", MIB),
                "--listen", rig.uri(""));
        for (final String name : List.of("vdc", "")) {
            rig.end(Tool.NBDINFO, "--size", rig.uri(name)).requireFailure();
            // nbdinfo keeps the server's words to itself.
            final Tool.Output refused =
                    rig.end(Tool.QEMU_IMG, "info", rig.uri(name)).requireFailure();
            assertTrue(refused.err().contains("[vda, vdb]"), refused::toString);
        }
    }

    @Test
    void oneConnectionTooManyIsToldSo() {
        final Path file = rig.hole("disk.img", MIB);
        rig.serveWith("--disk", "disk=" + file, "--max-connections", "2", "--listen", rig.uri(""));
        final Program two =
                rig.startPython(
                        """
                        connections = [connect(sys.argv[1]) for _ in range(2)]
                        print('connected')
                        connections[0].poll(60000)
                        """,
                        rig.uri());
        two.awaitLine(line -> line.equals("connected"));
        final Tool.Output refused = rig.end(Tool.QEMU_IMG, "info", rig.uri()).requireFailure();
        assertTrue(
                refused.err().contains("too many connections; the limit is 2"), refused::toString);
        two.close();
        rig.run(Tool.NBDINFO, "--size", rig.uri());
    }
}
