package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.memory.FileStatus;
import io.lockstep.engine.memory.MemoryDirectory;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.node.Selves;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/** What a group of two disks does with its buffers' memory while nothing else happens. */
final class BufferSpaceTest {
    private static final long DISK_LENGTH = 8 << 20; // and no more is touched
    private static final long LIMIT = 16 << 20;
    private static final int BLOCK_LENGTH = 4096;
    private static final int STEPS_ENOUGH = 100;

    /** Of the group's page. */
    private static final long AT_STATE = 16;

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final HelperThreads helpers = new HelperThreads();
    private final List<DiskFile> files = new ArrayList<>();
    private final List<FileDisk> locals = new ArrayList<>();
    private SecondaryGroup group;
    private Path buffers;
    private int errno;

    @BeforeEach
    void makeDirectory() throws IOException {
        final Path memory = MemoryDirectory.required();
        assumeTrue(Files.getFileStore(memory).getUsableSpace() >> 8 > LIMIT, "a small one");
        buffers = Files.createTempDirectory(memory, "lockstep");
    }

    private void open() throws IOException {
        for (int disk = 0; disk < 2; disk++) {
            final Path image = folder.resolve("image" + disk);
            try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength(DISK_LENGTH);
            }
            files.add(DiskFile.open("vd" + disk, image, false));
            locals.add(new FileDisk(files.get(disk), loop, helpers));
        }
        group =
                SecondaryGroup.open(
                        loop,
                        List.copyOf(locals),
                        Selves.fresh(1),
                        SecondaryOptions.in(buffers, 2, LIMIT),
                        (event, disk, epoch, sentence) -> {});
        group.prepareBuffers();
    }

    @AfterEach
    void close() throws IOException {
        helpers.close();
        group.close();
        locals.forEach(FileDisk::close);
        files.forEach(DiskFile::close);
        if (Files.exists(buffers)) {
            try (Stream<Path> left = Files.walk(buffers)) {
                left.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
            }
        }
    }

    private long space(final int disk, final String buffer) {
        final String arena = buffers.resolve("disk" + disk + buffer + ".arena").toString();
        final int fd = Posix.open(arena, Posix.O_RDONLY);
        assertTrue(fd >= 0);
        try {
            return FileStatus.allocatedLength(fd);
        } finally {
            Posix.close(fd);
        }
    }

    private long spaceOfBoth() {
        return space(0, ".hidden-odd") + space(1, ".hidden-odd");
    }

    private void step(final int count) {
        for (int i = 0; i < count; i++) {
            loop.runTimers();
            loop.runAll();
        }
    }

    private void writeBlock(final long block) {
        final Disk stream = group.streamExports().getFirst().disk();
        errno = -1;
        try (Arena arena = Arena.ofConfined()) {
            stream.write(
                    block * BLOCK_LENGTH,
                    BLOCK_LENGTH,
                    arena.allocate(BLOCK_LENGTH).fill((byte) 1),
                    0,
                    (token, result) -> errno = result,
                    0);
            stream.poll();
            while (errno == -1) {
                if (!loop.runNext()) {
                    Thread.onSpinWait();
                }
            }
        }
        assertEquals(0, errno);
    }

    @Test
    void theNextEpochOfEachDiskFindsItsMemoryAndTheOtherBuffersTakeNone() throws IOException {
        open();
        step(STEPS_ENOUGH);
        for (int disk = 0; disk < 2; disk++) {
            assertEquals(DISK_LENGTH, space(disk, ".hidden-odd"));
            assertEquals(0, space(disk, ".hidden-even"));
            assertEquals(0, space(disk, ".active"));
        }
    }

    @Test
    void aGuestsWritesComeFirst() throws IOException {
        open();
        final CompletableFuture<Void> started = group.start();
        loop.runAll();
        assertTrue(started.isDone());
        step(2);
        final long before = spaceOfBoth();
        assertTrue(before > 0 && before < DISK_LENGTH, before + " bytes");
        for (int block = 0; block < 10; block++) {
            writeBlock(block);
            step(1);
            assertEquals(before, spaceOfBoth());
        }
        step(STEPS_ENOUGH);
        assertEquals(2 * DISK_LENGTH, spaceOfBoth());
    }

    @Test
    void aGroupThatIsOverTakesNoMore() throws IOException {
        open();
        group.start();
        group.failOver(true);
        loop.runAll();
        step(STEPS_ENOUGH);
        assertEquals(0, Files.exists(buffers) ? spaceOfBoth() : 0);
    }

    @Test
    void bothBuffersOfAHiddenDiskTogetherHaveNoMore() throws IOException {
        open();
        group.start();
        loop.runAll();
        step(4);
        final CompletableFuture<Long> committed = group.checkpoint();
        loop.runAll();
        assertTrue(committed.isDone());
        step(STEPS_ENOUGH);
        final long even = space(0, ".hidden-even") + space(1, ".hidden-even");
        assertTrue(even > 0);
        assertTrue(spaceOfBoth() > 0);
        assertEquals(2 * DISK_LENGTH, spaceOfBoth() + even);
    }

    /** As a process finds it that was killed while it tidied up. */
    @Test
    void aGroupThatStandsAloneHasNoBuffersToPrepare() throws IOException {
        open();
        group.close();
        locals.forEach(FileDisk::close);
        files.forEach(DiskFile::close);
        locals.clear();
        files.clear();
        final Path page = SecondaryOptions.in(buffers, 2, LIMIT).page();
        try (RandomAccessFile file = new RandomAccessFile(page.toFile(), "rw")) {
            file.seek(AT_STATE);
            file.write((int) GroupPage.ALONE);
        }
        Files.writeString(buffers.resolve("the user's own"), "");
        open();
        step(STEPS_ENOUGH);
        assertEquals(GroupStatus.State.ALONE, group.status().state());
    }

    @Test
    void buffersOnADeviceAreLeftAlone() throws IOException {
        Files.delete(buffers);
        buffers = folder.resolve("buffers");
        assumeTrue(!Files.getFileStore(folder).type().equals("tmpfs"), "no device here");
        open();
        step(STEPS_ENOUGH);
        assertEquals(0, spaceOfBoth());
    }
}
