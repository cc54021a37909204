package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Each test runs on a file system on a device, as far as the machine has one, and on one in memory.
 */
final class FileDiskTest {
    private static final int LENGTH = (1 << 20) + 1000; // no multiple of any block
    private static final int LENGTH_WHOLE = 1 << 20;

    /** More calls than there are threads. */
    private static final int HELPERS_ENOUGH = 64;

    private final HelperThreads helpers = new HelperThreads();
    private final TaskLoop loop = new TaskLoop();
    private final List<Path> created = new ArrayList<>();
    private final List<String> told = new ArrayList<>();
    private int errno;
    private boolean completed;

    static List<Path> folders() {
        final List<Path> folders = new ArrayList<>();
        folders.add(Path.of(System.getProperty("java.io.tmpdir")));
        final Path memory = Path.of("/dev/shm");
        if (Files.isWritable(memory)) {
            folders.add(memory);
        }
        return folders;
    }

    @AfterEach
    void removeFiles() throws IOException {
        helpers.close();
        for (final Path path : created) {
            Files.delete(path);
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void readsBackWhatWasWritten(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false)) {
            final FileDisk disk = new FileDisk(file, loop, helpers);
            final MemorySegment memory = arena.allocate(5000).fill((byte) 0x5a);
            assertEquals(0, write(disk, LENGTH - 5000, memory));
            assertEquals(0, flush(disk));
            assertArrayEquals(
                    memory.toArray(ValueLayout.JAVA_BYTE), read(disk, LENGTH - 5000, 5000));
            assertArrayEquals(new byte[4096], read(disk, 4096, 4096));
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void zeroMakesAHoleUnlessItMayNot(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false)) {
            final FileDisk disk = new FileDisk(file, loop, helpers);
            write(disk, 0, arena.allocate(256 << 10).fill((byte) 1));
            assertEquals(0, zero(disk, 64 << 10, 64 << 10, 0));
            assertEquals(0, zero(disk, 192 << 10, 64 << 10, Disk.ZERO_NO_HOLE));
            assertArrayEquals(new byte[64 << 10], read(disk, 64 << 10, 64 << 10));
            assertArrayEquals(new byte[64 << 10], read(disk, 192 << 10, 64 << 10));
            assertEquals(1, read(disk, 128 << 10, 1)[0]);
            assertEquals("data 65536, hole 65536, data 65536", extents(disk, 0, 192 << 10, 16));
            final long allocatedMin = 3L * (64 << 10);
            assertTrue(
                    allocated(file.path()) >= allocatedMin,
                    "the range without holes is not allocated");
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void partsOfBlocksAreZeroedToTheByte(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false)) {
            final FileDisk disk = new FileDisk(file, loop, helpers);
            write(disk, 0, arena.allocate(32 << 10).fill((byte) 1));
            assertEquals(0, zero(disk, 1001, 9999, 0));
            assertEquals(0, zero(disk, 20_001, 5001, Disk.ZERO_NO_HOLE));
            final byte[] expected = new byte[32 << 10];
            Arrays.fill(expected, (byte) 1);
            Arrays.fill(expected, 1001, 11_000, (byte) 0);
            Arrays.fill(expected, 20_001, 25_002, (byte) 0);
            assertArrayEquals(expected, read(disk, 0, 32 << 10));
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void fastZeroIsDoneAtOnceOrRefusedUnchanged(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false)) {
            final FileDisk disk = new FileDisk(file, loop, helpers);
            write(disk, 0, arena.allocate(64 << 10).fill((byte) 1));
            assertEquals(0, zero(disk, 0, 4096, Disk.ZERO_FAST));
            final int result = zero(disk, 8192, 4096, Disk.ZERO_FAST | Disk.ZERO_NO_HOLE);
            assertTrue(result == 0 || result == Errno.EOPNOTSUPP, Errno.name(result));
            assertEquals(result == 0 ? 0 : 1, read(disk, 8192, 1)[0]);
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void discardGivesSpaceBack(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false)) {
            final FileDisk disk = new FileDisk(file, loop, helpers);
            write(disk, 0, arena.allocate(512 << 10).fill((byte) 1));
            flush(disk);
            final long before = allocated(file.path());
            completed = false;
            disk.discard(0, 512 << 10, this::complete, 0);
            assertEquals(0, await(disk));
            assertTrue(allocated(file.path()) <= before - (512 << 10), "no space was given back");
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void tellsHolesAndDataOnceTheyChange(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false)) {
            final FileDisk one = new FileDisk(file, loop, helpers);
            final FileDisk other = new FileDisk(file, loop, helpers);
            assertEquals("hole " + LENGTH, extents(one, 0, LENGTH, 16));
            write(one, 128 << 10, arena.allocate(256 << 10).fill((byte) 1));
            final String written = "hole 131072, data 262144, hole " + (LENGTH - (384 << 10));
            assertEquals(written, extents(one, 0, LENGTH, 16));
            assertEquals(written, extents(other, 0, LENGTH, 16));
            assertEquals(
                    "hole 131072, data 262144",
                    extents(one, 0, LENGTH, 2),
                    "as much as the list holds");
            // A hole that the other loop makes is told by this one, which knew the range as data.
            zero(other, 192 << 10, 64 << 10, 0);
            assertEquals(
                    "data 65536, hole 65536, data 131072", extents(one, 128 << 10, 256 << 10, 16));
            zero(one, 320 << 10, 64 << 10, 0);
            assertEquals(
                    "data 65536, hole 65536, data 65536, hole 65536",
                    extents(one, 128 << 10, 256 << 10, 16));
        }
    }

    /** It is known to have none when it is opened, and nobody is asked any more. */
    @ParameterizedTest
    @MethodSource("folders")
    void aFileWithoutHolesTellsTheFirstThatIsMade(final Path folder) throws IOException {
        final Path path = sparse(folder);
        Files.write(path, new byte[LENGTH]);
        try (DiskFile file = DiskFile.open("d", path, false)) {
            final FileDisk one = new FileDisk(file, loop, helpers);
            final FileDisk other = new FileDisk(file, loop, helpers);
            assertEquals("data 262144", extents(one, 0, 256 << 10, 16));
            assertEquals(0, zero(other, 64 << 10, 64 << 10, 0));
            assertEquals("data 65536, hole 65536, data 131072", extents(one, 0, 256 << 10, 16));
            assertEquals("data 65536, hole 65536, data 131072", extents(other, 0, 256 << 10, 16));
        }
    }

    /** That it has none any more is found out by the way, and must not outlive the next hole. */
    @ParameterizedTest
    @MethodSource("folders")
    void aFileThatWasFilledTellsTheFirstHoleThatIsMadeAgain(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk one = new FileDisk(file, loop, helpers);
                FileDisk other = new FileDisk(file, loop, helpers)) {
            assertEquals(0, write(one, 0, arena.allocate(LENGTH)));
            final MemorySegment page = arena.allocate(4096).fill((byte) 5);
            for (int i = 0; i < FileDisk.FILLED_CHECK_WRITES; i++) {
                assertEquals(0, write(one, 4096L * (i % 64), page));
            }
            assertEquals("data " + LENGTH, extents(one, 0, LENGTH, 16));
            assertEquals(0, zero(other, 64 << 10, 64 << 10, 0));
            final String holed = "data 65536, hole 65536, data " + (LENGTH - (128 << 10));
            assertEquals(holed, extents(one, 0, LENGTH, 16));
            assertEquals(0, read(one, 64 << 10, 4096)[100]);
            assertEquals(0, write(one, 64 << 10, page));
            assertEquals(5, read(other, 64 << 10, 4096)[100]);
            assertEquals(
                    "data 69632, hole 61440, data " + (LENGTH - (128 << 10)),
                    extents(one, 0, LENGTH, 16));
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void aWindowIsTheFilesOwnMemoryWhereAllOfItIsThere(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            assertNull(disk.window(0, 64 << 10), "a hole has no window: to touch it would fill it");
            write(disk, 64 << 10, arena.allocate(128 << 10).fill((byte) 7));
            final IoBuffer window = disk.window((64 << 10) + 10, 64 << 10);
            assertEquals(
                    file.isMemoryBacked(), window != null, "only a file in memory has windows");
            assertNull(disk.window(0, 128 << 10), "a part of it is a hole");
            if (window != null) {
                final int position = disk.windowPosition((64 << 10) + 10);
                final MemorySegment range = window.segment().asSlice(position, 64 << 10);
                assertArrayEquals(
                        read(disk, (64 << 10) + 10, 64 << 10),
                        range.toArray(ValueLayout.JAVA_BYTE));
                range.fill((byte) 9);
                completed = false;
                disk.write(
                        (64 << 10) + 10, 64 << 10, window.segment(), position, this::complete, 0);
                assertEquals(0, await(disk));
                assertEquals(9, read(disk, (64 << 10) + 10, 1)[0]);
                assertEquals(7, read(disk, (64 << 10) + 9, 1)[0]);
            }
        }
    }

    /** What is not there any more is no zero, whoever asks for it and however. */
    @ParameterizedTest
    @MethodSource("folders")
    void whatWasCutOffIsAnErrorAndNoZero(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            file.onChange(told::add);
            assertEquals(0, write(disk, 0, arena.allocate(64 << 10).fill((byte) 3)));
            setLength(file.path(), 16_384 + 100);
            read(disk, 32 << 10, 4096);
            assertEquals(Errno.ENXIO, errno, "a read");
            read(disk, 8192, 32 << 10);
            assertEquals(Errno.ENXIO, errno, "a read that begins where there is something");
            read(disk, 16_384, 4096);
            assertEquals(Errno.ENXIO, errno, "a read across the end");
            assertArrayEquals(filled(8192, 3), read(disk, 8192, 8192), "what is there is read");
            assertEquals(0, errno);
            final ExtentList list = new ExtentList(4);
            for (final long offset : new long[] {0, 8192, 16_384, 128 << 10}) {
                completed = false;
                disk.extents(offset, 64 << 10, list, this::complete, 0);
                assertEquals(Errno.ENXIO, await(disk), "extents from " + offset);
            }
            assertEquals("data 16384", extents(disk, 0, 16_384, 4));
            assertNull(disk.window(8192, 64 << 10));
            assertEquals(1, told.size(), "it is told once");
            assertTrue(told.getFirst().contains("was cut to 16484 bytes"), told::toString);
        }
    }

    /** Nobody is told of the end of the operation, so that it must end the process. */
    @ParameterizedTest
    @MethodSource("folders")
    void whatACallThrowsComesToTheLoop(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            assertEquals(0, write(disk, 0, arena.allocate(4096)));
            file.onChange(
                    sentence -> {
                        throw new IllegalStateException(sentence);
                    });
            setLength(file.path(), 4096);
            assertThrows(IllegalStateException.class, () -> zero(disk, 64 << 10, 4096, 0));
        }
    }

    /** Past the page cache the kernel may wait for the device in any read. */
    @Test
    void aReadPastThePageCacheIsAHelpers() throws IOException {
        final Path path = sparse(Path.of("target"));
        Files.write(path, filled(LENGTH_WHOLE, 7));
        try (Arena arena = Arena.ofConfined();
                DiskFile file = openDirect(path);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final CountDownLatch held = new CountDownLatch(1);
            for (int i = 0; i < HELPERS_ENOUGH; i++) {
                helpers.execute(() -> awaitQuietly(held));
            }
            final MemorySegment memory = arena.allocate(4096, 4096);
            completed = false;
            disk.read(8192, 4096, memory, 0, this::complete, 0);
            disk.poll();
            final boolean isOnLoop = completed;
            held.countDown();
            assertFalse(isOnLoop, "the loop has read");
            assertEquals(0, await(disk));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 4095));
        }
    }

    private static DiskFile openDirect(final Path path) {
        try {
            return DiskFile.open("d", path, DiskAccess.PLAIN.direct());
        } catch (final DiskException e) {
            return abort(e.getMessage());
        }
    }

    private static void awaitQuietly(final CountDownLatch latch) {
        try {
            latch.await();
        } catch (final InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** It is found at the first question for extents, too. */
    @ParameterizedTest
    @MethodSource("folders")
    void aHoleThatWasCutOffIsAnError(final Path folder) throws IOException {
        try (DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            setLength(file.path(), 4096);
            completed = false;
            disk.extents(64 << 10, 4096, new ExtentList(4), this::complete, 0);
            assertEquals(Errno.ENXIO, await(disk));
        }
    }

    /** A change behind the end would make the file long again, and what was lost zero. */
    @ParameterizedTest
    @MethodSource("folders")
    void noChangeMakesAFileLongAgainThatWasCut(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final MemorySegment page = arena.allocate(4096).fill((byte) 5);
            assertEquals(0, write(disk, 0, page));
            loop.runTimers();
            loop.runTimers(); // changes have ended
            setLength(file.path(), 64 << 10);
            assertEquals(Errno.ENXIO, write(disk, 128 << 10, page));
            assertEquals(Errno.ENXIO, zero(disk, 128 << 10, 4096, 0));
            assertEquals(Errno.ENXIO, zero(disk, 128 << 10, 4096, Disk.ZERO_NO_HOLE));
            completed = false;
            disk.discard(128 << 10, 4096, this::complete, 0);
            assertEquals(Errno.ENXIO, await(disk));
            assertEquals(64 << 10, Files.size(file.path()));
            assertEquals(0, write(disk, 32 << 10, page), "what is there can be changed");
            assertEquals(0, zero(disk, 32 << 10, 4096, 0));
        }
    }

    /** While changes go on it is found by those who look now and then. */
    @ParameterizedTest
    @MethodSource("folders")
    void aCutIsFoundWhileChangesGoOn(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final MemorySegment page = arena.allocate(4096).fill((byte) 5);
            assertEquals(0, write(disk, 0, page));
            setLength(file.path(), 64 << 10);
            loop.runTimers();
            assertEquals(Errno.ENXIO, write(disk, 128 << 10, page));
            assertEquals(64 << 10, Files.size(file.path()));
        }
    }

    /** Others wrote there meanwhile, or nobody did: nobody knows what it holds. */
    @ParameterizedTest
    @MethodSource("folders")
    void whatWasCutOffStaysLostUntilTheDiskIsOpenedAnew(final Path folder) throws IOException {
        final Path path = sparse(folder);
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            setLength(path, 4096);
            read(disk, 8192, 4096);
            setLength(path, LENGTH);
            read(disk, 8192, 4096);
            assertEquals(Errno.ENXIO, errno);
            assertEquals(Errno.ENXIO, write(disk, 8192, arena.allocate(4096)));
        }
        try (DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            assertArrayEquals(new byte[4096], read(disk, 8192, 4096));
            assertEquals(0, errno);
        }
    }

    @ParameterizedTest
    @MethodSource("folders")
    void whatOthersAppendIsNotSeen(final Path folder) throws IOException {
        try (DiskFile file = DiskFile.open("d", sparse(folder), false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            file.onChange(told::add);
            setLength(file.path(), 2 * LENGTH);
            file.look();
            assertEquals(LENGTH, disk.length());
            assertEquals("hole " + LENGTH, extents(disk, 0, LENGTH, 4));
            assertEquals(List.of(), told);
        }
    }

    /** The open file is used on, and somebody is told that nobody else will find it. */
    @ParameterizedTest
    @MethodSource("folders")
    void aFileThatIsReplacedIsGoneOnWith(final Path folder) throws IOException {
        final Path path = sparse(folder);
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            file.onChange(told::add);
            final MemorySegment page = arena.allocate(4096).fill((byte) 5);
            assertEquals(0, write(disk, 0, page));
            final Path other = Files.createTempFile(folder, "lockstep", ".new");
            Files.move(other, path, StandardCopyOption.REPLACE_EXISTING);
            for (int i = 0; i < 20; i++) {
                assertEquals(0, write(disk, 4096, page));
                loop.runTimers();
            }
            assertArrayEquals(filled(8192, 5), read(disk, 0, 8192));
            assertEquals(1, told.size(), told::toString);
            assertTrue(told.getFirst().contains("was replaced or removed"), told::toString);
            assertEquals(0, Files.size(path), "the other file is not touched");
        }
    }

    /** What is received into the page in which the file now ends is nowhere. */
    @ParameterizedTest
    @MethodSource("folders")
    void aPayloadReceivedBehindTheEndIsAnError(final Path folder) throws IOException {
        final Path path = sparse(folder);
        Files.write(path, new byte[LENGTH]);
        try (DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final WriteWindow window = new WriteWindow();
            if (disk.openWriteWindow(LENGTH - (64 << 10), 64 << 10, window)) {
                setLength(path, LENGTH - 10);
                loop.runTimers();
                completed = false;
                disk.write(window, this::complete, 0);
                assertEquals(Errno.ENXIO, await(disk));
                assertFalse(disk.openWriteWindow(LENGTH - (64 << 10), 64 << 10, window));
            }
        }
    }

    /** A mapping has zeroes behind the end of the file, up to the end of the page. */
    @ParameterizedTest
    @MethodSource("folders")
    void aWindowThatTheFileNoLongerFillsSaysSo(final Path folder) throws IOException {
        final Path path = sparse(folder);
        Files.write(path, new byte[LENGTH]);
        try (DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final long offset = LENGTH - (64 << 10);
            final IoBuffer window = disk.window(offset, 64 << 10);
            if (window != null) {
                final int end = disk.windowPosition(offset) + (64 << 10);
                assertTrue(window.isWholeTo(end));
                setLength(path, LENGTH - 10);
                assertFalse(window.isWholeTo(end));
                assertTrue(window.isWholeTo(end - 10));
            }
        }
    }

    private static void setLength(final Path path, final long length) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(length);
        }
    }

    private static byte[] filled(final int length, final int value) {
        final byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    /** Where a long copy goes through the file's mapping, its pages vanish in the midst of it. */
    @ParameterizedTest
    @MethodSource("folders")
    void aFileThatIsCutShortUnderACopyIsAnErrorAndNoFault(final Path folder) throws Exception {
        final Path path = sparse(folder);
        Files.write(path, new byte[LENGTH]);
        try (Arena arena = Arena.ofShared();
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final MemorySegment memory = arena.allocate(1 << 20).fill((byte) 7);
            final AtomicBoolean isOver = new AtomicBoolean();
            final FutureTask<Integer> cutting =
                    new FutureTask<>(() -> cutAndMakeWhole(file.path(), isOver));
            Thread.ofPlatform().start(cutting);
            for (int i = 0; i < 1000; i++) {
                final int written = write(disk, 0, memory);
                assertTrue(isDoneOrCut(written), Errno.name(written));
                final int page = write(disk, 8192, memory.asSlice(0, 4096));
                assertTrue(isDoneOrCut(page), Errno.name(page));
                read(disk, 0, 1 << 20);
                assertTrue(isDoneOrCut(errno), Errno.name(errno));
            }
            isOver.set(true);
            assertTrue(cutting.get() > 0, "the file was never cut");
            read(disk, 0, 4096);
            assertEquals(0, errno, "what was always there is read");
        }
    }

    /** By the time that somebody looks how long it is, it may be whole again. */
    private static boolean isDoneOrCut(final int errno) {
        return errno == 0 || errno == Errno.ENXIO || errno == Errno.EIO;
    }

    private static int cutAndMakeWhole(final Path path, final AtomicBoolean isOver)
            throws IOException {
        final byte[] content = new byte[LENGTH];
        int cuts = 0;
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            while (!isOver.get()) {
                file.setLength(4096);
                cuts++;
                file.seek(0);
                file.write(content);
            }
        }
        return cuts;
    }

    @ParameterizedTest
    @MethodSource("folders")
    void writingAReadOnlyDiskIsAnError(final Path folder) throws IOException {
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", sparse(folder), true)) {
            final FileDisk disk = new FileDisk(file, loop, helpers);
            assertEquals(Errno.EBADF, write(disk, 0, arena.allocate(1)));
            assertEquals(Errno.EBADF, zero(disk, 0, 4096, 0));
        }
    }

    private Path sparse(final Path folder) throws IOException {
        final Path path = Files.createTempFile(folder, "lockstep", ".img");
        created.add(path);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(LENGTH);
        }
        return path;
    }

    private static long allocated(final Path path) throws IOException {
        final Process stat = new ProcessBuilder("stat", "-c", "%b", path.toString()).start();
        return 512
                * Long.parseLong(
                        new String(stat.getInputStream().readAllBytes(), StandardCharsets.US_ASCII)
                                .trim());
    }

    private int write(final Disk disk, final long offset, final MemorySegment memory) {
        completed = false;
        disk.write(offset, (int) memory.byteSize(), memory, 0, this::complete, 0);
        return await(disk);
    }

    private byte[] read(final Disk disk, final long offset, final int length) {
        try (Arena arena = Arena.ofShared()) {
            final MemorySegment memory = arena.allocate(length).fill((byte) 0xee);
            completed = false;
            disk.read(offset, length, memory, 0, this::complete, 0);
            await(disk);
            return memory.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private int zero(final Disk disk, final long offset, final long length, final int flags) {
        completed = false;
        disk.zero(offset, length, flags, this::complete, 0);
        return await(disk);
    }

    private int flush(final Disk disk) {
        completed = false;
        disk.flush(this::complete, 0);
        return await(disk);
    }

    private String extents(
            final Disk disk, final long offset, final long length, final int capacity) {
        final ExtentList list = new ExtentList(capacity);
        completed = false;
        disk.extents(offset, length, list, this::complete, 0);
        assertEquals(0, await(disk));
        final List<String> runs = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            runs.add((list.state(i) == ExtentList.HOLE ? "hole " : "data ") + list.length(i));
        }
        return String.join(", ", runs);
    }

    private void complete(final long token, final int completedErrno) {
        completed = true;
        errno = completedErrno;
    }

    private int await(final Disk disk) {
        disk.poll();
        while (!completed) {
            loop.runNext();
        }
        return errno;
    }
}
