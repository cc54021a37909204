package io.lockstep.engine.memory;

import java.io.IOException;
import java.nio.file.Path;

/** What a file's storage outlives, and what has reached it. Stateless. */
public final class Storage {
    private Storage() {}

    /**
     * Whether a file or directory lies in memory, and goes with the host's boot.
     *
     * @param path is there
     * @throws IOException where it can't be opened
     */
    public static boolean isMemory(final Path path) throws IOException {
        final int fd = open(path);
        try {
            final long type = Posix.fileSystemType(fd);
            return type == Posix.TMPFS_MAGIC || type == Posix.RAMFS_MAGIC;
        } finally {
            Posix.close(fd);
        }
    }

    /**
     * Brings a file, what was stored to it through mappings too, or a directory to stable storage.
     * Source: {@code fsync(2)}.
     *
     * @throws IOException naming it and the error
     */
    public static void sync(final Path path) throws IOException {
        final int fd = open(path);
        try {
            final int result = Posix.fsync(fd);
            if (result < 0) {
                throw new IOException("cannot flush " + path + ": " + Errno.meaning(-result));
            }
        } finally {
            Posix.close(fd);
        }
    }

    private static int open(final Path path) throws IOException {
        final int fd = Posix.open(path.toString(), Posix.O_RDONLY | Posix.O_CLOEXEC);
        if (fd < 0) {
            throw new IOException("cannot open " + path + ": " + Errno.meaning(-fd));
        }
        return fd;
    }
}
