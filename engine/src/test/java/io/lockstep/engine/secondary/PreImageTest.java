package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.MemoryDirectory;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** What is saved is what the disk holds, whether the slots are new or were used before. */
@Timeout(60)
final class PreImageTest {
    private static final int BLOCKS = 100;

    /** The last block is a part. */
    private static final int LENGTH = BLOCKS * BLOCK_LENGTH - 700;

    private final byte[] content = new byte[LENGTH];
    private final HelperThreads helpers = new HelperThreads();
    private NioLoop loop;
    private Path folder;
    private Path path;
    private int completed;
    private int errno;

    @BeforeEach
    void make() throws IOException {
        final Path memory = MemoryDirectory.required();
        folder = Files.createTempDirectory(memory, "lockstep");
        path = folder.resolve("d.img");
        new Random(1).nextBytes(content);
        Files.write(path, content);
        loop = new NioLoop("test", 0, error -> {});
    }

    @AfterEach
    void remove() throws IOException {
        helpers.close();
        loop.close();
        EpochBuffer.remove(folder, "b");
        Files.delete(path);
        Files.delete(folder);
    }

    private int save(final FileDisk disk, final EpochBuffer buffer, final int from, final int count)
            throws IOException {
        final int slot = buffer.reserve(from, count, false);
        assertTrue(slot >= 0);
        final long offset = (long) from * BLOCK_LENGTH;
        final int length = Math.min(count * BLOCK_LENGTH, LENGTH - (int) offset);
        final int before = completed;
        PreImage.save(
                disk,
                offset,
                length,
                buffer,
                slot,
                (token, result) -> {
                    completed++;
                    errno = result;
                },
                0);
        disk.poll();
        assertEquals(before + 1, completed, "a disk in memory answers at once");
        if (errno == 0) {
            buffer.publish(from, count, slot);
        }
        return slot;
    }

    private void assertSaved(final EpochBuffer buffer, final int from, final int count) {
        final int length = Math.min(count * BLOCK_LENGTH, LENGTH - from * BLOCK_LENGTH);
        final long position = EpochBuffer.position(buffer.find(from));
        final MemorySegment expected =
                MemorySegment.ofArray(content).asSlice((long) from * BLOCK_LENGTH, length);
        assertEquals(-1, buffer.arena().asSlice(position, length).mismatch(expected));
    }

    @Test
    void itIsWhatTheDiskHolds() throws IOException {
        try (DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers);
                EpochBuffer buffer = EpochBuffer.open(folder, "b", LENGTH, LENGTH + BLOCK_LENGTH)) {
            for (int epoch = 1; epoch <= 3; epoch++) {
                buffer.enter(epoch);
                final int first = save(disk, buffer, 3, 20);
                assertEquals(epoch == 1, buffer.isFresh(first), "only the first epoch's are new");
                save(disk, buffer, 40, 1);
                final int last = save(disk, buffer, 60, 40); // up to the end
                assertEquals(0, errno);
                assertEquals(epoch == 1, buffer.isFresh(last));
                assertSaved(buffer, 3, 20);
                assertSaved(buffer, 40, 1);
                assertSaved(buffer, 60, 40);
            }
            buffer.enter(4);
            save(disk, buffer, 0, 10);
            assertFalse(buffer.isFresh(save(disk, buffer, 10, 60)), "51 of them were used before");
            assertTrue(buffer.isFresh(save(disk, buffer, 70, 1)));
            assertSaved(buffer, 0, 10);
            assertSaved(buffer, 10, 60);
            assertSaved(buffer, 70, 1);
        }
    }

    /** What was given back is new again, and has nothing of what was there. */
    @Test
    void whatWasGivenBackIsNew() throws IOException {
        try (DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers);
                EpochBuffer buffer = EpochBuffer.open(folder, "b", LENGTH, LENGTH + BLOCK_LENGTH)) {
            buffer.enter(1);
            save(disk, buffer, 0, BLOCKS);
            buffer.enter(2);
            assertTrue(buffer.giveBack(buffer.allocatedLength()));
            assertEquals(0, buffer.allocatedLength());
            final int slot = save(disk, buffer, 50, 10);
            assertTrue(buffer.isFresh(slot));
            assertSaved(buffer, 50, 10);
        }
    }

    @Test
    void aFileThatWasCutIsAnError() throws IOException {
        try (RandomAccessFile other = new RandomAccessFile(path.toFile(), "rw");
                DiskFile file = DiskFile.open("d", path, false);
                FileDisk disk = new FileDisk(file, loop, helpers);
                EpochBuffer buffer = EpochBuffer.open(folder, "b", LENGTH, LENGTH + BLOCK_LENGTH)) {
            buffer.enter(1);
            save(disk, buffer, 0, 1);
            assertEquals(0, errno);
            other.setLength(LENGTH - 10); // in the last page, of which the rest is zero
            save(disk, buffer, BLOCKS - 1, 1);
            assertEquals(Errno.ENXIO, errno);
            other.setLength(50L * BLOCK_LENGTH);
            save(disk, buffer, 60, 10); // no page
            assertEquals(Errno.ENXIO, errno);
            save(disk, buffer, 40, 10);
            assertEquals(0, errno);
            assertSaved(buffer, 40, 10);
        }
    }
}
