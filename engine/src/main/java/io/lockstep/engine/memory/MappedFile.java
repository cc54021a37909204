package io.lockstep.engine.memory;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file mapped into memory, whose space is allocated before it is mapped: a full file system is an
 * {@link IOException} with a name when the file is made or grown, never a fault when it is written.
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
     * Opens a file, made if there is none, sees to it that {@code length} bytes of it are
     * allocated, and maps them. Bytes that were not there before are zero.
     *
     * @param length in bytes, more than 0
     * @throws IOException naming file and error; a file that this call made is removed again
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the mapping
    public static MappedFile allocate(final Path path, final long length) throws IOException {
        final boolean isNew = !path.toFile().exists();
        final Arena arena = Arena.ofShared();
        try (FileChannel channel =
                FileChannel.open(
                        path,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            allocateSpace(path, length);
            return new MappedFile(path, arena, channel.map(MapMode.READ_WRITE, 0, length, arena));
        } catch (final IOException e) {
            arena.close();
            if (isNew) {
                path.toFile().delete();
            }
            throw e;
        }
    }

    /** Java can extend a file, but not have its space allocated. */
    private static void allocateSpace(final Path path, final long length) throws IOException {
        final int fd = Posix.open(path.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        if (fd < 0) {
            throw new IOException("cannot open " + path + ": " + Errno.meaning(-fd));
        }
        try {
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
        } finally {
            Posix.close(fd);
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
