package io.lockstep.engine.service;

import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.memory.PrivateFiles;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Keeps two processes from one secondary's buffers: a lock on the group's page, which goes with the
 * process. The disks' own locks don't, where somebody gives the same buffers to other disks.
 */
final class BuffersLock implements AutoCloseable {
    private final int fd;
    private final Path page;
    private final boolean isOwnDirectory;

    private BuffersLock(final int fd, final Path page, final boolean isOwnDirectory) {
        this.fd = fd;
        this.page = page;
        this.isOwnDirectory = isOwnDirectory;
    }

    /**
     * Takes it.
     *
     * @param page made if there is none, as is its directory
     * @param ownDirectory whether nobody else may put something there; otherwise it may be shared,
     *     such as {@code /dev/shm}
     * @throws IOException where another process has it, or somebody else's file or directory is
     *     there
     */
    static BuffersLock take(final Path page, final boolean ownDirectory) throws IOException {
        final Path path = page.toAbsolutePath();
        if (ownDirectory) {
            PrivateFiles.requireDirectory(path.getParent());
        } else {
            PrivateFiles.makeDirectories(path.getParent());
        }
        final int fd = PrivateFiles.open(path);
        if (Posix.lockRange(fd, Posix.F_WRLCK, 0, 1) < 0) {
            Posix.close(fd);
            throw new IOException(
                    "the buffers of "
                            + path
                            + " are in use by another lockstep; give each secondary its own");
        }
        return new BuffersLock(fd, path, ownDirectory);
    }

    /** Lets go of it where nobody has used the buffers: what was made for it goes again. */
    void undo() {
        try {
            if (Files.size(page) == 0) {
                Files.delete(page);
                if (isOwnDirectory) {
                    Files.delete(page.getParent()); // where nothing else is in it
                }
            }
        } catch (final IOException e) {
            // It stays, as after a kill.
        }
        close();
    }

    @Override
    public void close() {
        Posix.close(fd);
    }
}
