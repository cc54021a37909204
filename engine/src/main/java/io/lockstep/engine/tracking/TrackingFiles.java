package io.lockstep.engine.tracking;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.MappedFile;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.memory.SparseFile;
import io.lockstep.engine.memory.Storage;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A tracking's files in the directory of a node's state: a page, a map for each disk, and where
 * that is on a disk the two copies of the activity log. Blocking; one thread's at a time.
 */
public final class TrackingFiles implements TrackingStorage {
    /** A file system allocates so much of a map at a time, in bytes: for 448 MiB of disk. */
    private static final int CHUNK_LENGTH = 1 << 15;

    /** Of a copy of the activity log, in bytes. */
    private static final int LOG_LENGTH = 1 << 15;

    private static final int PAGE_LENGTH = 4096;
    private static final String PAGE = "tracking";
    private static final String MAP = "changes-";
    private static final String LOG = "activity-";

    private final Path directory;
    private final List<Long> lengths;
    private final MappedFile page;
    private final List<SparseFile> maps = new ArrayList<>();

    private TrackingFiles(final Path directory, final List<Long> lengths, final MappedFile page) {
        this.directory = directory;
        this.lengths = new ArrayList<>(lengths);
        this.page = page;
    }

    /**
     * Opens them, made if there are none.
     *
     * @param directory is there
     * @param lengths of the disks, in bytes
     * @throws IOException where they can't be had
     */
    public static TrackingFiles open(final Path directory, final List<Long> lengths)
            throws IOException {
        final TrackingFiles files =
                new TrackingFiles(
                        directory,
                        lengths,
                        MappedFile.allocate(directory.resolve(PAGE), PAGE_LENGTH));
        boolean opened = false;
        try {
            files.openMaps();
            opened = true;
            return files;
        } finally {
            if (!opened) {
                files.close();
            }
        }
    }

    /** Where a map of other disks is in the way it goes: the page is none of these disks'. */
    private void openMaps() throws IOException {
        for (int i = 0; i < lengths.size(); i++) {
            maps.add(open(i, lengths.get(i)));
        }
        Storage.sync(directory); // what a map has counts after the loss of power
    }

    private SparseFile open(final int disk, final long diskLength) throws IOException {
        return SparseFile.open(mapOf(disk), ChangeMap.lengthFor(diskLength), CHUNK_LENGTH);
    }

    private Path mapOf(final int disk) {
        return directory.resolve(MAP + disk);
    }

    @Override
    public void lengthen(final int disk, final long diskLength) throws IOException {
        final SparseFile longer = open(disk, diskLength);
        maps.set(disk, longer).close();
        lengths.set(disk, diskLength);
    }

    /**
     * Removes all of it, durably: what is noted is no longer all that is changed.
     *
     * @throws IOException where that can't be done
     */
    static void remove(final Path directory) throws IOException {
        Files.deleteIfExists(directory.resolve(PAGE));
        for (final String prefix : List.of(LOG, MAP)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, prefix + "*")) {
                for (final Path file : files) {
                    Files.delete(file);
                }
            }
        }
        Storage.sync(directory);
    }

    @Override
    public MemorySegment page() {
        return page.segment();
    }

    @Override
    public ChangeMap.Space map(final int disk) {
        return new Mapped(maps.get(disk));
    }

    @Override
    public void clearMaps() throws IOException {
        for (final SparseFile map : maps) {
            map.delete();
        }
        maps.clear();
        openMaps();
    }

    // ---- The activity log.

    private Path path(final int copy) {
        return directory.resolve(LOG + copy);
    }

    @Override
    public Optional<byte[]> read(final int copy) throws IOException {
        final Path path = path(copy);
        final int fd = Posix.open(path.toString(), Posix.O_RDONLY | Posix.O_CLOEXEC);
        if (fd == -Errno.ENOENT) {
            return Optional.empty();
        }
        require("open", path, fd);
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(LOG_LENGTH);
            long length = 0;
            long result;
            do {
                result =
                        Posix.pread(
                                fd, memory.address() + length, memory.byteSize() - length, length);
                require("read", path, result);
                length += result;
            } while (result > 0 && length < memory.byteSize());
            return Optional.of(memory.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE));
        } finally {
            Posix.close(fd);
        }
    }

    @Override
    public void write(final int copy, final byte[] record) throws IOException {
        final Path path = path(copy);
        final boolean isNew = !Files.exists(path);
        final int fd = PrivateFiles.open(path);
        try (Arena arena = Arena.ofConfined()) {
            // A copy has its whole length at once, so that later ones cost no change of metadata.
            final MemorySegment memory = arena.allocate(isNew ? LOG_LENGTH : record.length);
            MemorySegment.copy(record, 0, memory, ValueLayout.JAVA_BYTE, 0, record.length);
            long length = 0;
            while (length < memory.byteSize()) {
                final long result =
                        Posix.pwrite(
                                fd, memory.address() + length, memory.byteSize() - length, length);
                require("write", path, result);
                length += result;
            }
            require("flush", path, Posix.fdatasync(fd));
        } finally {
            Posix.close(fd);
        }
        if (isNew) {
            Storage.sync(directory);
        }
    }

    private static void require(final String action, final Path path, final long result)
            throws IOException {
        if (result < 0) {
            throw new IOException(
                    "cannot " + action + " " + path + ": " + Errno.meaning((int) -result));
        }
    }

    @Override
    public void syncMaps() throws IOException {
        for (int disk = 0; disk < lengths.size(); disk++) {
            Storage.sync(mapOf(disk)); // whatever the loop has mapped of it by now
        }
    }

    @Override
    public void close() {
        maps.forEach(SparseFile::close);
        page.close();
    }

    /** A map in a file. */
    private record Mapped(SparseFile file) implements ChangeMap.Space {
        @Override
        public MemorySegment memory() {
            return file.segment();
        }

        @Override
        public boolean isAllocated(final long offset) {
            return file.isAllocated(offset);
        }

        @Override
        public int allocate(final long offset, final long length) {
            return file.allocate(offset, length);
        }
    }
}
