package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** {@code lockstep serve} against QEMU's block layer: qemu-img and qemu-io. */
final class QemuTest {
    private static final int MIB = 1 << 20;

    @AutoClose private final Rig rig = new Rig();

    private Path sparseFile(final String name) {
        final Path file = rig.hole(name, 16 * MIB);
        rig.write(file, 0, Rig.randomBytes(100_000, 1));
        return rig.write(file, 5 * MIB, Rig.randomBytes(3 * MIB, 2));
    }

    /** Runs commands of qemu-io against the served disk; a pattern that differs is a failure. */
    private Tool.Output qemuIo(final String... commands) {
        final List<String> arguments = new ArrayList<>(List.of("-f", "raw"));
        for (final String command : commands) {
            arguments.addAll(List.of("-c", command));
        }
        arguments.add(rig.uri());
        final Tool.Output output = rig.run(Tool.QEMU_IO, arguments.toArray(String[]::new));
        assertTrue(!output.out().contains("ailed"), output::toString);
        return output;
    }

    @Test
    void anImageIsConvertedInAndStaysSparse() {
        final Path source = sparseFile("source.img");
        final Path disk = rig.random("disk.img", 16 * MIB, 9);
        rig.serve(disk);
        rig.run(
                Tool.QEMU_IMG,
                "convert",
                "-n",
                "-f",
                "raw",
                "-O",
                "raw",
                source.toString(),
                rig.uri());
        assertArrayEquals(Rig.read(source), Rig.read(disk));
        assertEquals(rig.allocated(source), rig.allocated(disk));
        final Tool.Output compared =
                rig.run(
                        Tool.QEMU_IMG,
                        "compare",
                        "-f",
                        "raw",
                        "-F",
                        "raw",
                        source.toString(),
                        rig.uri());
        assertTrue(compared.out().contains("Images are identical."), compared::toString);
    }

    @Test
    void anImageIsConvertedInOutOfOrder() {
        final Path source = rig.random("source.img", 16 * MIB, 1);
        final Path disk = rig.hole("disk.img", 16 * MIB);
        rig.serve(disk);
        rig.run(
                Tool.QEMU_IMG,
                "convert",
                "-n",
                "-W",
                "-m",
                "16",
                "-f",
                "raw",
                "-O",
                "raw",
                source.toString(),
                rig.uri());
        assertArrayEquals(Rig.read(source), Rig.read(disk));
    }

    @Test
    void aDiskIsConvertedOut() {
        final Path disk = sparseFile("disk.img");
        rig.serve(disk);
        final Path copy = rig.path("copy.qcow2");
        rig.run(Tool.QEMU_IMG, "convert", "-f", "raw", "-O", "qcow2", rig.uri(), copy.toString());
        final Tool.Output compared =
                rig.run(
                        Tool.QEMU_IMG,
                        "compare",
                        "-f",
                        "raw",
                        "-F",
                        "qcow2",
                        rig.uri(),
                        copy.toString());
        assertTrue(compared.out().contains("Images are identical."), compared::toString);
    }

    @Test
    void theMapIsTheFilesLayout() {
        final Path disk = sparseFile("disk.img");
        rig.serve(disk);
        final List<FileLayout.Extent> told =
                Pattern.compile("\"start\": (\\d+), \"length\": (\\d+),.*\"zero\": (true|false)")
                        .matcher(
                                rig.run(
                                                Tool.QEMU_IMG,
                                                "map",
                                                "-f",
                                                "raw",
                                                "--output=json",
                                                rig.uri())
                                        .out())
                        .results()
                        .map(
                                match ->
                                        new FileLayout.Extent(
                                                Long.parseLong(match.group(1)),
                                                Long.parseLong(match.group(2)),
                                                Boolean.parseBoolean(match.group(3))))
                        .toList();
        assertEquals(FileLayout.of(disk).extents(), told);
    }

    @Test
    void manyRequestsInParallelAreServed() {
        rig.serve(rig.hole("disk.img", 16 * MIB));
        final String[] write = {"bench", "-f", "raw", "-w", "-c", "3000", "-d", "64"};
        rig.run(Tool.QEMU_IMG, with(write, "--flush-interval=64", rig.uri()));
        rig.run(Tool.QEMU_IMG, with(write, "-s", "65536", "--pattern=7", rig.uri()));
        rig.run(Tool.QEMU_IMG, "bench", "-f", "raw", "-c", "3000", "-d", "64", rig.uri());
    }

    private static String[] with(final String[] some, final String... more) {
        final String[] all = Arrays.copyOf(some, some.length + more.length);
        System.arraycopy(more, 0, all, some.length, more.length);
        return all;
    }

    @Test
    void patternsAreReadBackAsWritten() {
        final Path disk = rig.hole("disk.img", 16 * MIB);
        rig.serve(disk);
        qemuIo(
                "write -P 0x11 0 1M",
                "write -f -P 0x22 1000 3000",
                "read -P 0x11 0 1000",
                "read -P 0x22 1000 3000",
                "read -P 0x11 4000 1044576",
                "read -P 0 1M 15M",
                "flush",
                "aio_write -P 0x33 2M 2M",
                "aio_write -P 0x44 4M 2M",
                "aio_write -z 6M 1M",
                "aio_flush",
                "aio_read -P 0x33 2M 2M",
                "aio_read -P 0x44 4M 2M",
                "aio_flush");
    }

    @Test
    void zeroesAndDiscardsReadAsZeroesAndGiveSpaceBack() {
        final Path disk = rig.random("disk.img", 16 * MIB, 1);
        rig.serve(disk);
        final long full = rig.allocated(disk);
        qemuIo("write -z 0 1M", "read -P 0 0 1M");
        assertEquals(full, rig.allocated(disk), "without -u the range stays allocated");
        qemuIo("write -z -u 1M 1M", "read -P 0 1M 1M");
        assertEquals(full - MIB, rig.allocated(disk));
        qemuIo("discard 2M 2M", "read -P 0 2M 2M", "write -z -u -f 100 5000", "read -P 0 100 5000");
        assertEquals(full - 3 * MIB, rig.allocated(disk));
        final byte[] expected = Rig.randomBytes(16 * MIB, 1);
        Arrays.fill(expected, 0, 4 * MIB, (byte) 0);
        assertArrayEquals(expected, Rig.read(disk));
    }

    @Test
    void aDiskOfAnyLengthIsReachedToItsLastByte() {
        final Path disk = rig.hole("odd.img", 100_001);
        rig.serve(disk);
        qemuIo(
                "write -P 1 99000 1001",
                "write -P 2 100000 1",
                "read -P 1 99000 1000",
                "read -P 2 100000 1",
                "write -z 99500 501",
                "read -P 0 99500 501",
                "discard 0 100001",
                "read -P 0 0 100001");
        assertEquals(100_001, disk.toFile().length());
    }

    @Test
    void aQcow2ImageLivesInsideADisk() {
        rig.serve(rig.hole("disk.img", 16 * MIB));
        rig.run(Tool.QEMU_IMG, "create", "-f", "qcow2", rig.uri(), "12M");
        rig.run(
                Tool.QEMU_IO,
                "-f",
                "qcow2",
                "-c",
                "write -P 5 1M 4M",
                "-c",
                "discard 2M 1M",
                "-c",
                "flush",
                rig.uri());
        final Tool.Output read =
                rig.run(
                        Tool.QEMU_IO,
                        "-f",
                        "qcow2",
                        "-c",
                        "read -P 5 1M 1M",
                        "-c",
                        "read -P 0 2M 1M",
                        "-c",
                        "read -P 5 3M 2M",
                        rig.uri());
        assertTrue(!read.out().contains("ailed"), read::toString);
        final Tool.Output checked = rig.run(Tool.QEMU_IMG, "check", "-f", "qcow2", rig.uri());
        assertTrue(checked.out().contains("No errors were found"), checked::toString);
    }
}
