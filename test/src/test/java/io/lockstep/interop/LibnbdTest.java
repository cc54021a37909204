package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import java.nio.file.Path;
import java.util.Arrays;

/**
 * {@code lockstep serve} against libnbd: every command, on files in memory and on disk, which the
 * engine treats differently.
 */
@ParameterizedClass
@EnumSource(Rig.Place.class)
final class LibnbdTest {
    private static final int MIB = 1 << 20;

    @AutoClose private final Rig rig;

    LibnbdTest(final Rig.Place place) {
        rig = new Rig(place);
    }

    /** 1 MiB of which only [64 KiB, 128 KiB) and the last page hold data. */
    private Path sparseFile() {
        final Path file = rig.hole("sparse.img", MIB);
        rig.write(file, 64 << 10, Rig.randomBytes(64 << 10, 1));
        return rig.write(file, MIB - 4096, Rig.randomBytes(4096, 2));
    }

    @Test
    void aReadTellsHolesFromData() {
        final Path file = sparseFile();
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                chunks = []
                def chunk(data, offset, status, error):
                    chunks.append((offset, len(data), status))
                data = h.pread_structured(1 << 20, 0, chunk)
                same(data, open(sys.argv[2], 'rb').read())
                k = 1 << 10
                assert sorted(chunks) == [
                    (0, 64 * k, nbd.READ_HOLE), (64 * k, 64 * k, nbd.READ_DATA),
                    (128 * k, 892 * k, nbd.READ_HOLE), (1020 * k, 4 * k, nbd.READ_DATA)], chunks
                """,
                rig.uri(),
                file.toString());
    }

    @Test
    void aReadThatMustNotBeDividedIsOneChunk() {
        final Path file = sparseFile();
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                chunks = []
                data = h.pread_structured(1 << 20, 0, lambda *chunk: chunks.append(chunk[1:3]),
                                          nbd.CMD_FLAG_DF)
                same(data, open(sys.argv[2], 'rb').read())
                assert chunks == [(0, nbd.READ_DATA)], chunks
                """,
                rig.uri(),
                file.toString());
    }

    /** A hole's chunk is longer than what it stands for where a read takes a byte of the hole. */
    @Test
    void readsInFlightThatCutHolesDontSpoilEachOther() {
        rig.serve(rig.hole("disk.img", MIB));
        rig.python(
                """
                h = connect(sys.argv[1])
                content = bytearray(pattern(1 << 20))
                h.pwrite(content, 0)
                page = 4096
                for i in range(0, 256, 4): # pages of hole, hole, data, data
                    h.trim(2 * page, i * page)
                    content[i * page:(i + 2) * page] = bytes(2 * page)
                reads = []
                for before in (0, 1, 2, 31, 60, 100):
                    for after in (0, 1, 2, 31, 60, 100):
                        for i in range(0, 252, 4):
                            offset = (i + 2) * page - before
                            length = before + 2 * page + after
                            buffer = nbd.Buffer(length)
                            h.aio_pread(buffer, offset)
                            reads.append((offset, length, buffer))
                        drain(h)
                for offset, length, buffer in reads:
                    same(buffer.to_bytearray(), content[offset:offset + length],
                         f'{length} at {offset}')
                """,
                rig.uri());
    }

    @Test
    void blockStatusIsTheFilesLayout() {
        final Path file = sparseFile();
        rig.serve(file);
        final StringBuilder layout = new StringBuilder();
        FileLayout.of(file)
                .extents()
                .forEach(
                        extent ->
                                layout.append(extent.length())
                                        .append(extent.isHole() ? ",3," : ",0,"));
        rig.python(
                """
                h = connect(sys.argv[1])
                statuses = []
                def extent(context, offset, entries, error):
                    assert context == nbd.CONTEXT_BASE_ALLOCATION and offset == 0
                    statuses.append(entries)
                h.block_status(1 << 20, 0, extent)
                expected = [int(n) for n in sys.argv[2].rstrip(',').split(',')]
                assert statuses == [expected], f'{statuses}, not {expected}'

                statuses.clear()
                h.block_status(1 << 20, 0, extent, nbd.CMD_FLAG_REQ_ONE)
                assert statuses == [expected[:2]], statuses
                """,
                rig.uri(),
                layout.toString());
    }

    @Test
    void blockStatusOfManyExtentsIsToldInParts() {
        final Path file = rig.hole("checkered.img", 16 * MIB);
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                size = h.get_size()
                for offset in range(0, size, 8192):
                    h.aio_pwrite(nbd.Buffer.from_bytearray(b'x' * 4096), offset)
                drain(h)
                at, last, calls = 0, None, 0
                def extent(context, offset, entries, error):
                    global at, last
                    assert offset == at
                    for length, flags in zip(entries[::2], entries[1::2]):
                        assert length == 4096 and flags != last, (at, length, flags)
                        last = flags
                        at += length
                while at < size:
                    h.block_status(size - at, at, extent)
                    calls += 1
                assert at == size and calls > 1, (at, calls)
                """,
                rig.uri());
    }

    @Test
    void writtenZeroesBecomeAHoleUnlessTheClientForbidsIt() {
        final Path file = rig.random("disk.img", 4 * MIB, 1);
        rig.serve(file);
        final long full = rig.allocated(file);
        rig.python("connect(sys.argv[1]).zero(1 << 20, 1 << 20, nbd.CMD_FLAG_NO_HOLE)", rig.uri());
        assertEquals(full, rig.allocated(file), "NO_HOLE keeps the allocation");
        rig.python("connect(sys.argv[1]).zero(1 << 20, 2 << 20)", rig.uri());
        assertEquals(full - MIB, rig.allocated(file), "else a hole is punched");
        final byte[] expected = Rig.randomBytes(4 * MIB, 1);
        Arrays.fill(expected, MIB, 3 * MIB, (byte) 0);
        assertArrayEquals(expected, Rig.read(file));
    }

    @Test
    void zeroesOfAnyAlignmentTouchNoOtherByte() {
        final Path file = rig.random("disk.img", 100_001, 1);
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                content = bytearray(open(sys.argv[2], 'rb').read())
                ranges = random.Random(7)
                for i in range(200):
                    offset = ranges.randrange(len(content))
                    length = min(ranges.choice((1, 511, 4095, 5000, 12288)), len(content) - offset)
                    flags = ranges.choice((0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FUA))
                    data = ranges.randbytes(length)
                    h.pwrite(data, offset)
                    content[offset:offset + length] = data
                    offset = max(0, offset - ranges.randrange(3000))
                    h.zero(length, offset, flags)
                    content[offset:offset + length] = bytes(length)
                    same(h.pread(len(content), 0), content, f'round {i}')
                """,
                rig.uri(),
                file.toString());
    }

    @Test
    void aFastZeroIsDoneOrRefusedAndThenChangesNothing() {
        final Path file = rig.random("disk.img", MIB, 1);
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                assert h.can_fast_zero()
                before = h.pread(1 << 20, 0)
                for offset, flags in ((0, 0), (1 << 19, nbd.CMD_FLAG_NO_HOLE)):
                    try:
                        h.zero(65536, offset, flags | nbd.CMD_FLAG_FAST_ZERO)
                        before[offset:offset + 65536] = bytes(65536)
                    except nbd.Error as e:
                        assert e.errnum == errno.ENOTSUP, e
                    same(h.pread(1 << 20, 0), before)
                """,
                rig.uri());
    }

    @Test
    void aTrimGivesSpaceBackAndLeavesTheNeighboursAlone() {
        final Path file = rig.random("disk.img", 4 * MIB, 1);
        rig.serve(file);
        final long full = rig.allocated(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                h.trim(2 << 20, (1 << 20) + 100)
                h.trim(100, 10)
                """,
                rig.uri());
        assertTrue(rig.allocated(file) <= full - 2 * MIB + 4096, "space is given back");
        final byte[] before = Rig.randomBytes(4 * MIB, 1);
        final byte[] after = Rig.read(file);
        assertEquals(-1, Arrays.mismatch(slice(before, 0, 10), slice(after, 0, 10)));
        assertEquals(
                -1, Arrays.mismatch(slice(before, 110, MIB + 100), slice(after, 110, MIB + 100)));
        assertEquals(
                -1,
                Arrays.mismatch(
                        slice(before, 3 * MIB + 100, 4 * MIB),
                        slice(after, 3 * MIB + 100, 4 * MIB)));
    }

    private static byte[] slice(final byte[] bytes, final int from, final int to) {
        return Arrays.copyOfRange(bytes, from, to);
    }

    @Test
    void writesZeroesTrimsFlushesAndCachesTakeTheirFlags() {
        final Path file = rig.hole("disk.img", MIB);
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(b'durable', 100, nbd.CMD_FLAG_FUA)
                assert open(sys.argv[2], 'rb').read()[100:107] == b'durable'
                h.zero(3, 100, nbd.CMD_FLAG_FUA)
                h.zero(3, 200, nbd.CMD_FLAG_FUA | nbd.CMD_FLAG_NO_HOLE)
                h.trim(4096, 8192, nbd.CMD_FLAG_FUA)
                h.flush()
                h.cache(1 << 20, 0)
                same(h.pread(7, 100), b'\\0\\0\\0able')
                """,
                rig.uri(),
                file.toString());
    }

    @Test
    void aConnectionSeesWhatOthersWrote() {
        rig.serve(rig.hole("disk.img", MIB));
        rig.python(
                """
                connections = [connect(sys.argv[1]) for _ in range(8)]
                assert all(h.can_multi_conn() for h in connections)
                for step in range(400):
                    writer = connections[step % 8]
                    offset = step * 997 % (1 << 20) // 8192 * 8192
                    kind = step % 3
                    if kind == 0:
                        expected = pattern(20000, step)
                        writer.pwrite(expected, offset)
                    elif kind == 1:
                        expected = bytes(20000)
                        writer.zero(20000, offset)
                    else:
                        expected = bytes(8192) # a file's trim reads as zeroes
                        writer.trim(8192, offset)
                    for reader in connections:
                        same(reader.pread(len(expected), offset), expected, f'step {step}')
                """,
                rig.uri());
    }

    @Test
    void aThousandRequestsMayBeInFlight() {
        rig.serve(rig.hole("disk.img", 8 * MIB));
        rig.python(
                """
                h = connect(sys.argv[1])
                content = pattern(8 << 20)
                for i in range(1024):
                    piece = bytearray(content[i * 8192:(i + 1) * 8192])
                    h.aio_pwrite(nbd.Buffer.from_bytearray(piece), i * 8192)
                drain(h)
                buffers = [nbd.Buffer(8192) for _ in range(1024)]
                for i, buffer in enumerate(buffers):
                    h.aio_pread(buffer, i * 8192)
                drain(h)
                for i, buffer in enumerate(buffers):
                    same(buffer.to_bytearray(), content[i * 8192:(i + 1) * 8192], f'read {i}')
                """,
                rig.uri());
    }

    @Test
    void aDiskOfAnyLengthIsServedToItsLastByte() {
        final Path file = rig.random("odd.img", 100_001, 1);
        rig.serve(file);
        rig.python(
                """
                h = connect(sys.argv[1])
                content = bytearray(open(sys.argv[2], 'rb').read())
                size = h.get_size()
                assert size == 100001
                same(h.pread(size, 0), content)
                same(h.pread(1, size - 1), content[-1:])
                h.pwrite(b'xyz', size - 3)
                h.zero(5000, size - 5003)
                content[-3:] = b'xyz'
                content[-5003:-3] = bytes(5000)
                same(h.pread(size, 0), content)
                total = []
                h.block_status(size, 0, lambda c, o, entries, e: total.append(sum(entries[::2])))
                assert total == [size], total
                h.trim(size - 1, 1)
                same(h.pread(1, 0), content[:1])
                """,
                rig.uri(),
                file.toString());
        assertEquals(100_001, file.toFile().length());
    }
}
