package io.lockstep.engine.service;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Keeps two processes from one secondary's buffers: a lock on the group's page, which goes with the
 * process. The disks' own locks don't, where somebody gives the same buffers to other disks.
 */
final class BuffersLock implements AutoCloseable {
    private final int fd;

    private BuffersLock(final int fd) {
        this.fd = fd;
    }

    /**
     * Takes it.
     *
     * @param page made if there is none
     * @throws IOException where another process has it
     */
    static BuffersLock take(final Path page) throws IOException {
        final Path path = page.toAbsolutePath();
        Files.createDirectories(path.getParent());
        try {
            Files.createFile(path);
        } catch (final FileAlreadyExistsException e) {
            // A process before this one has left it: it goes on there.
        }
        final int fd = Posix.open(path.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        if (fd < 0) {
            throw new IOException("cannot open " + path + ": " + Errno.meaning(-fd));
        }
        if (Posix.lockRange(fd, Posix.F_WRLCK, 0, 1) < 0) {
            Posix.close(fd);
            throw new IOException(
                    "the buffers of "
                            + path
                            + " are in use by another lockstep; give each secondary its own");
        }
        return new BuffersLock(fd);
    }

    @Override
    public void close() {
        Posix.close(fd);
    }
}
