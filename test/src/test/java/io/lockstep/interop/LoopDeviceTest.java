package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** {@code lockstep serve} over a block device: a loop device over a file. */
final class LoopDeviceTest {
    private static final int MIB = 1 << 20;
    private static final int LENGTH = 16 * MIB;

    @AutoClose private final Rig rig = new Rig();

    private Path attach(final Path file, final String... options) {
        assumeTrue(
                Files.isWritable(Path.of("/dev/loop-control")),
                "only root makes loop devices, where the kernel has them: /dev/loop-control");
        final String[] all = Arrays.copyOf(options, options.length + 3);
        all[options.length] = "--find";
        all[options.length + 1] = "--show";
        all[options.length + 2] = file.toString();
        final Tool.Output attached = rig.end(Tool.LOSETUP, all);
        assumeTrue(attached.exitCode() == 0, attached::toString);
        final String device = attached.out().strip();
        rig.keep(() -> rig.end(Tool.LOSETUP, "--detach", device));
        return Path.of(device);
    }

    @Test
    void aBlockDeviceIsReadWrittenZeroedAndTrimmed() {
        final Path file = rig.random("disk.img", LENGTH, 1);
        final Path device = attach(file);
        rig.serve(device);
        rig.python(
                """
                h = connect(sys.argv[1])
                content = bytearray(open(sys.argv[2], 'rb').read())
                assert h.get_size() == len(content)
                same(h.pread(len(content), 0), content, 'as it was')
                for offset, length in ((0, 4096), (1000, 3000), (1 << 20, 1 << 20), (511, 2)):
                    data = pattern(length, offset)
                    h.pwrite(data, offset)
                    content[offset:offset + length] = data
                same(h.pread(len(content), 0), content, 'written')
                for flags in (0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FUA):
                    for offset, length in ((4 << 20, 1 << 20), (100, 50), (511, 2), (700, 5000),
                                           (0, 512), (8 << 20, 4097)):
                        h.zero(length, offset, flags)
                        content[offset:offset + length] = bytes(length)
                    same(h.pread(len(content), 0), content, 'zeroed')
                    h.pwrite(pattern(65536, 3), 4 << 20)
                    content[4 << 20:(4 << 20) + 65536] = pattern(65536, 3)
                h.trim(1 << 20, 12 << 20)
                h.trim(100, 5)
                h.flush()
                h.cache(1 << 20, 0)
                same(h.pread(12 << 20, 0), content[:12 << 20], 'before the trim')
                same(h.pread(3 << 20, 13 << 20), content[13 << 20:], 'behind the trim')
                statuses = []
                h.block_status(len(content), 0, lambda c, o, entries, e: statuses.append(entries))
                assert sum(statuses[0][::2]) == len(content), statuses
                try:
                    before = h.pread(1 << 20, 14 << 20)
                    h.zero(1 << 20, 14 << 20, nbd.CMD_FLAG_FAST_ZERO)
                    same(h.pread(1 << 20, 14 << 20), bytes(1 << 20), 'fast zero')
                except nbd.Error as e:
                    assert e.errnum == errno.ENOTSUP, e
                    same(h.pread(1 << 20, 14 << 20), before, 'refused fast zero')
                """,
                rig.uri(),
                file.toString());
    }

    @Test
    void whatWasFlushedIsInTheFileBehindTheDevice() {
        final Path file = rig.hole("disk.img", LENGTH);
        final Path device = attach(file);
        final LockstepProcess lockstep = rig.serve(device);
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(pattern(1 << 20), 3 << 20, nbd.CMD_FLAG_FUA)
                same(open(sys.argv[2], 'rb').read()[3 << 20:4 << 20], pattern(1 << 20))
                """,
                rig.uri(),
                file.toString());
        assertEquals(0, lockstep.stop());
    }

    /** What lies behind its end now is no zero, and nothing was done there. */
    @Test
    void aDeviceThatBecomesSmallerGivesErrorsBehindItsEnd() throws IOException {
        final Path file = rig.random("disk.img", LENGTH, 1);
        final Path device = attach(file);
        final LockstepProcess lockstep = rig.serve(device);
        try (RandomAccessFile cut = new RandomAccessFile(file.toFile(), "rw")) {
            cut.setLength(LENGTH / 2);
        }
        rig.run(Tool.LOSETUP, "--set-capacity", device.toString());
        rig.python(
                """
                half = int(sys.argv[2])
                for structured in (False, True):
                    h = connect(sys.argv[1], lambda h: h.set_request_structured_replies(structured))
                    for length in (512, 4096, 1 << 20):
                        expect(errno.EIO, h.pread, length, half)
                        expect(errno.EIO, h.pread, length, 2 * half - length)
                    expect(errno.EIO, h.pwrite, bytes(4096), half + 8192)
                    expect(errno.EIO, h.zero, 4096, half + 8192)
                    expect(errno.EIO, h.trim, 4096, half + 8192)
                    h.pwrite(b'1' * 4096, half - 4096)
                    same(h.pread(4096, half - 4096), b'1' * 4096)
                """,
                rig.uri(),
                Integer.toString(LENGTH / 2));
        assertTrue(lockstep.err().contains("was cut to " + LENGTH / 2), lockstep::err);
    }

    @Test
    void requestsNeedNotBeAlignedToTheDevicesSectors() {
        final Path file = rig.random("disk.img", LENGTH, 1);
        final Path device = attach(file, "--sector-size", "4096");
        rig.serve(device);
        rig.python(
                """
                h = connect(sys.argv[1])
                content = bytearray(open(sys.argv[2], 'rb').read())
                ranges = random.Random(3)
                for i in range(100):
                    offset = ranges.randrange(0, 1 << 20)
                    length = ranges.choice((1, 100, 512, 4096, 10000))
                    data = ranges.randbytes(length)
                    h.pwrite(data, offset)
                    content[offset:offset + length] = data
                    offset = ranges.randrange(0, 1 << 20)
                    h.zero(length, offset, ranges.choice((0, nbd.CMD_FLAG_NO_HOLE)))
                    content[offset:offset + length] = bytes(length)
                    same(h.pread(2 << 20, 0), content[:2 << 20], f'round {i}')
                """,
                rig.uri(),
                file.toString());
    }

    @Test
    void aReadOnlyDeviceIsServedReadOnlyOrNotAtAll() {
        final Path file = rig.random("disk.img", LENGTH, 1);
        final Path device = attach(file, "--read-only");
        final String refusal = rig.serveInVain("--disk", "disk=" + device, "--listen", rig.uri(""));
        assertTrue(refusal.contains("read-only"), refusal);
        rig.serveWith("--disk", "disk=" + device, "--read-only", "--listen", rig.uri(""));
        final Path copy = rig.path("copy.img");
        rig.run(Tool.NBDCOPY, rig.uri(), copy.toString());
        assertArrayEquals(Rig.read(file), Rig.read(copy));
    }

    @Test
    void twoLockstepsNeverServeOneDevice() {
        final Path device = attach(rig.hole("disk.img", LENGTH));
        rig.serve(device);
        final String other = "nbd+unix:///?socket=" + rig.path("other");
        final String refusal = rig.serveInVain("--disk", "disk=" + device, "--listen", other);
        assertTrue(refusal.contains("it is in use by another lockstep"), refusal);
    }
}
