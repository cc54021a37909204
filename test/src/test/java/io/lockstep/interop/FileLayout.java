package io.lockstep.interop;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Which parts of a file hold data, as its file system says: {@code SEEK_DATA} and {@code SEEK_HOLE}
 * of {@code lseek(2)}.
 *
 * @param extents in the order of the file, data and holes in turn
 */
record FileLayout(List<Extent> extents) {
    /** A run of the file's bytes. */
    record Extent(long offset, long length, boolean isHole) {}

    static FileLayout of(final Path file) {
        final int fd = Posix.open(file.toString(), Posix.O_RDONLY | Posix.O_CLOEXEC);
        if (fd < 0) {
            throw new AssertionError(file + ": " + Errno.name(-fd));
        }
        try {
            return of(fd, file.toFile().length());
        } finally {
            Posix.close(fd);
        }
    }

    private static FileLayout of(final int fd, final long length) {
        final List<Extent> extents = new ArrayList<>();
        long at = 0;
        while (at < length) {
            final long data = Posix.lseek(fd, at, Posix.SEEK_DATA);
            final long holeEnd = data == -Errno.ENXIO ? length : data;
            if (holeEnd > at) {
                extents.add(new Extent(at, holeEnd - at, true));
            }
            if (holeEnd < length) {
                final long dataEnd = Posix.lseek(fd, holeEnd, Posix.SEEK_HOLE);
                extents.add(new Extent(holeEnd, dataEnd - holeEnd, false));
                at = dataEnd;
            } else {
                at = length;
            }
        }
        return new FileLayout(List.copyOf(extents));
    }
}
