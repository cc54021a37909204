package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * {@code lockstep serve} against the kernel's own client. Where the kernel has none the test is
 * skipped, even if none may be: no package brings a kernel's module.
 */
final class KernelClientTest {
    private static final int LENGTH = 16 << 20;

    @AutoClose private final Rig rig = new Rig();

    /** An nbd device that nobody uses. */
    private static Path freeDevice() {
        assumeTrue(
                Files.exists(Path.of("/dev/nbd0")),
                "the kernel has no nbd: there is no /dev/nbd0; try modprobe nbd");
        assumeTrue(Files.isWritable(Path.of("/dev/nbd0")), "/dev/nbd0 is for root only");
        return IntStream.range(0, 16)
                .mapToObj(number -> "nbd" + number)
                .filter(name -> Files.exists(Path.of("/dev", name)))
                .filter(name -> !Files.exists(Path.of("/sys/block", name, "pid")))
                .map(name -> Path.of("/dev", name))
                .findFirst()
                .orElseGet(() -> abort("every /dev/nbd* is in use"));
    }

    @Test
    void theKernelReadsAndWritesADiskOverTwoConnections() {
        final Path device = freeDevice();
        final Path file = rig.random("disk.img", LENGTH, 1);
        rig.serve(file);
        rig.run(
                Tool.NBD_CLIENT,
                "-unix",
                rig.socket().toString(),
                device.toString(),
                "-name",
                Rig.DISK,
                "-connections",
                "2");
        rig.keep(() -> rig.end(Tool.NBD_CLIENT, "-d", device.toString()));
        rig.python(
                """
                import fcntl, mmap, struct
                fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
                length = os.lseek(fd, 0, os.SEEK_END)
                assert length == 16 << 20, length
                memory = mmap.mmap(-1, 1 << 20)
                assert os.preadv(fd, [memory], 0) == 1 << 20
                same(memory[:], open(sys.argv[2], 'rb').read(1 << 20), 'read')
                memory[:] = pattern(1 << 20, 5)
                assert os.pwritev(fd, [memory], 4 << 20) == 1 << 20
                BLKDISCARD, BLKZEROOUT = 0x1277, 0x127f
                fcntl.ioctl(fd, BLKDISCARD, struct.pack('QQ', 8 << 20, 1 << 20))
                fcntl.ioctl(fd, BLKZEROOUT, struct.pack('QQ', 10 << 20, 1 << 20))
                os.fsync(fd)
                content = open(sys.argv[2], 'rb').read()
                same(content[4 << 20:5 << 20], memory[:], 'written')
                same(content[10 << 20:11 << 20], bytes(1 << 20), 'zeroed')
                """,
                device.toString(),
                file.toString());
        final byte[] untouched = Rig.randomBytes(LENGTH, 1);
        assertArrayEquals(
                Arrays.copyOf(untouched, 4 << 20), Arrays.copyOf(Rig.read(file), 4 << 20));
    }
}
