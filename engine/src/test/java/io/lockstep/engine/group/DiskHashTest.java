package io.lockstep.engine.group;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.MemoryDirectory;
import io.lockstep.engine.node.Id;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;

/** What is hashed where it lies has the hash of what is read. */
@Timeout(60)
final class DiskHashTest {
    private static final int PIECES = 16;

    /** The last piece is a part. */
    private static final int LENGTH = PIECES * PieceHash.PIECE_LENGTH - 5003;

    private final byte[] content = new byte[LENGTH];
    private final PieceHash hash = new PieceHash(new Id(1, 2));
    private final HelperThreads helpers = new HelperThreads();
    private NioLoop loop;
    private Path path;

    @BeforeEach
    void make() throws IOException {
        final Path memory = MemoryDirectory.required();
        path = Files.createTempFile(memory, "lockstep", ".img");
        new Random(1).nextBytes(content);
        Files.write(path, content);
        loop = new NioLoop("test", 0, error -> {});
    }

    @AfterEach
    void remove() throws IOException {
        helpers.close();
        loop.close();
        Files.delete(path);
    }

    @Test
    void itIsThatOfWhatIsRead() throws IOException {
        try (Arena arena = Arena.ofShared();
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final MemorySegment read = arena.allocate(LENGTH);
            read.copyFrom(MemorySegment.ofArray(content));
            final MemorySegment there = arena.allocate((long) PIECES * PieceHash.LENGTH);
            final MemorySegment here = arena.allocate((long) PIECES * PieceHash.LENGTH);
            hash.hash(read, 0, LENGTH, there, 0);
            assertEquals(0, DiskHash.hash(disk, 0, LENGTH, hash, here, 0));
            assertEquals(-1, there.mismatch(here));
            final int from = 3 * PieceHash.PIECE_LENGTH;
            final long at = 3L * PieceHash.LENGTH;
            here.fill((byte) 0);
            assertEquals(0, DiskHash.hash(disk, from, LENGTH - from, hash, here, at));
            assertEquals(-1, there.asSlice(at).mismatch(here.asSlice(at)));
        }
    }

    /** Each piece, and each place in it, counts. */
    @Test
    void oneBitIsAnotherHash() {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment piece = arena.allocate(PieceHash.PIECE_LENGTH);
            piece.copyFrom(MemorySegment.ofArray(content).asSlice(0, PieceHash.PIECE_LENGTH));
            final MemorySegment hashes = arena.allocate(2L * PieceHash.LENGTH);
            hash.hash(piece, 0, PieceHash.PIECE_LENGTH, hashes, 0);
            final Random random = new Random(2);
            for (int i = 0; i < 500; i++) {
                final int at = i < 64 ? i : random.nextInt(PieceHash.PIECE_LENGTH);
                final byte before = piece.get(ValueLayout.JAVA_BYTE, at);
                piece.set(ValueLayout.JAVA_BYTE, at, (byte) (before ^ 1 << i % 8));
                hash.hash(piece, 0, PieceHash.PIECE_LENGTH, hashes, PieceHash.LENGTH);
                piece.set(ValueLayout.JAVA_BYTE, at, before);
                assertTrue(
                        hashes.asSlice(0, PieceHash.LENGTH)
                                        .mismatch(hashes.asSlice(PieceHash.LENGTH))
                                >= 0,
                        "a bit at " + at + " makes no difference");
            }
        }
    }

    /** To look at one would fill it. */
    @Test
    void aHoleIsNotTouched() throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(0);
            file.setLength(LENGTH);
        }
        try (Arena arena = Arena.ofConfined();
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final MemorySegment into = arena.allocate((long) PIECES * PieceHash.LENGTH);
            assertEquals(DiskHash.NO_WINDOW, DiskHash.hash(disk, 0, LENGTH, hash, into, 0));
        }
    }

    /** In the page in which a file ends there are zeroes behind it, and no fault. */
    @Test
    void whatIsMissingInTheLastPageIsAnError() throws IOException {
        try (Arena arena = Arena.ofConfined();
                RandomAccessFile other = new RandomAccessFile(path.toFile(), "rw");
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final MemorySegment into = arena.allocate((long) PIECES * PieceHash.LENGTH);
            other.setLength(LENGTH - 10);
            assertEquals(Errno.ENXIO, DiskHash.hash(disk, 0, LENGTH, hash, into, 0));
        }
    }

    @Test
    void aFileThatIsCutShortMeanwhileIsAnErrorAndNoFault() throws Exception {
        try (Arena arena = Arena.ofShared();
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers)) {
            final MemorySegment into = arena.allocate((long) PIECES * PieceHash.LENGTH);
            final AtomicBoolean isOver = new AtomicBoolean();
            final FutureTask<Integer> cutting = new FutureTask<>(() -> cutAndMakeWhole(isOver));
            Thread.ofPlatform().start(cutting);
            int errors = 0;
            for (int i = 0; i < 20_000 && errors < 20; i++) {
                final int errno = DiskHash.hash(disk, 0, LENGTH, hash, into, 0);
                assertTrue(
                        errno == 0 || errno == Errno.ENXIO || errno == Errno.EIO,
                        () -> Errno.name(errno));
                errors += errno == 0 ? 0 : 1;
            }
            isOver.set(true);
            assertTrue(cutting.get() > 0, "the file was never cut");
            assertTrue(errors > 0, "it was never seen that the file was cut");
            assertEquals(0, DiskHash.hash(disk, 0, LENGTH, hash, into, 0));
        }
    }

    private int cutAndMakeWhole(final AtomicBoolean isOver) throws IOException {
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
}
