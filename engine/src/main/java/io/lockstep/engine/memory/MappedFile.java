package io.lockstep.engine.memory;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A private file mapped into memory, whose space is allocated before it is mapped: a full file
 * system is an {@link IOException} with a name when the file is made or grown, never a fault when
 * it is written.
 *
 * <p>Made and closed by one thread; the segment may be shared. Source: {@code fallocate(2)}, {@code
 * mmap(2)}.
 */
public final class MappedFile implements AutoCloseable {
    private final Path path;
    private final Arena arena;
    private final MemorySegment segment;

    private MappedFile(final Path path, final Arena arena, final MemorySegment segment) {
        this.path = path;
        this.arena = arena;
        this.segment = segment;
    }

    /**
     * Opens a private file, made if there is none, sees to it that {@code length} bytes of it are
     * allocated, and maps them. Bytes that were not there before are zero. A file that is there has
     * this length, or none yet.
     *
     * @param path as {@link PrivateFiles#open} takes it
     * @param length in bytes, more than 0
     * @throws IOException naming file and error; a file that this call made is removed again
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the mapping
    public static MappedFile allocate(final Path path, final long length) throws IOException {
        final boolean isNew = !path.toFile().exists();
        final int fd = PrivateFiles.open(path);
        final Arena arena = Arena.ofShared();
        boolean mapped = false;
        try {
            requireLength(path, fd, length);
            allocateSpace(path, fd, length);
            final MappedFile file =
                    new MappedFile(path, arena, VirtualMemory.map(fd, 0, length, arena));
            mapped = true;
            return file;
        } finally {
            Posix.close(fd);
            if (!mapped) {
                arena.close();
                if (isNew) {
                    path.toFile().delete();
                }
            }
        }
    }

    /**
     * Maps a file that somebody else has made, who may write it meanwhile.
     *
     * @param fd of the file, open for reading and writing; stays the caller's
     * @param length that it has at least
     * @throws IOException naming it, where it is shorter, or can't be mapped
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the mapping
    public static MappedFile ofOther(final Path path, final int fd, final long length)
            throws IOException {
        if (Posix.lseek(fd, 0, Posix.SEEK_END) < length) {
            throw new IOException(path + " has less than " + length + " bytes");
        }
        final Arena arena = Arena.ofShared();
        boolean mapped = false;
        try {
            final MappedFile file =
                    new MappedFile(path, arena, VirtualMemory.map(fd, 0, length, arena));
            mapped = true;
            return file;
        } finally {
            if (!mapped) {
                arena.close();
            }
        }
    }

    private static void requireLength(final Path path, final int fd, final long length)
            throws IOException {
        final long there = Posix.lseek(fd, 0, Posix.SEEK_END);
        if (there != 0 && there != length) {
            throw new IOException(
                    path
                            + " has "
                            + there
                            + " bytes where "
                            + length
                            + " are expected: it was changed, or is another program's; choose"
                            + " another place, or remove it if nothing of it is needed");
        }
    }

    private static void allocateSpace(final Path path, final int fd, final long length)
            throws IOException {
        final int result = Posix.fallocate(fd, 0, 0, length);
        if (result < 0) {
            throw new IOException(
                    "cannot allocate "
                            + length
                            + " bytes for "
                            + path
                            + ": "
                            + Errno.meaning(-result)
                            + " ("
                            + Errno.name(-result)
                            + ")");
        }
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** Its content; valid until {@link #close}. */
    public MemorySegment segment() {
        return segment;
    }

    /** Unmaps it; the file stays. */
    @Override
    public void close() {
        arena.close();
    }
}
