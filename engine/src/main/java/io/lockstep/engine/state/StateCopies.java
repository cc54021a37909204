package io.lockstep.engine.state;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.node.RecordFormat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/**
 * The two files that a record is written to in turn, as files. The one that is overwritten is never
 * the one that counts. One that is not there is written under another name first, so that there is
 * none that was never whole. Blocking; one thread's.
 */
final class StateCopies implements CopyStorage {
    private static final String UNFINISHED_SUFFIX = ".new";

    private final Path directory;

    StateCopies(final Path directory) {
        this.directory = directory;
    }

    @Override
    public Path path(final int index) {
        return directory.resolve("state-" + index);
    }

    @Override
    public Optional<byte[]> read(final int index) throws IOException {
        final Path path = path(index);
        final int fd = Posix.open(path.toString(), Posix.O_RDONLY | Posix.O_CLOEXEC);
        if (fd == -Errno.ENOENT) {
            return Optional.empty();
        }
        if (fd < 0) {
            throw failure("open", path, fd);
        }
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(RecordFormat.LENGTH_MAX);
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
    public void write(final int index, final byte[] record) throws IOException {
        final Path path = path(index);
        if (Files.exists(path)) {
            writeFile(path, record);
        } else {
            final Path unfinished = path.resolveSibling(path.getFileName() + UNFINISHED_SUFFIX);
            writeFile(unfinished, record);
            Files.move(unfinished, path, StandardCopyOption.ATOMIC_MOVE);
            try {
                sync(directory);
            } catch (final IOException e) {
                Files.delete(path); // as below
                throw e;
            }
        }
    }

    private static void writeFile(final Path path, final byte[] record) throws IOException {
        final int fd = PrivateFiles.open(path);
        boolean written = false;
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_BYTE, record);
            long length = 0;
            while (length < record.length) {
                final long result =
                        Posix.pwrite(fd, memory.address() + length, record.length - length, length);
                require("write", path, result);
                length += result;
            }
            require("write", path, Posix.ftruncate(fd, length));
            require("flush", path, Posix.fdatasync(fd));
            written = true;
        } finally {
            if (!written) {
                Posix.ftruncate(fd, 0); // what was not stored must not turn up later
            }
            Posix.close(fd);
        }
    }

    @Override
    public void clear(final int index) throws IOException {
        if (Files.exists(path(index))) {
            writeFile(path(index), new byte[0]);
        }
    }

    @Override
    public void settle(final int index) throws IOException {
        sync(path(index));
        sync(directory);
    }

    /** Brings a file, or a directory's names, to stable storage. */
    static void sync(final Path path) throws IOException {
        final int fd = Posix.open(path.toString(), Posix.O_RDONLY | Posix.O_CLOEXEC);
        require("open", path, fd);
        try {
            require("flush", path, Posix.fsync(fd));
        } finally {
            Posix.close(fd);
        }
    }

    private static void require(final String action, final Path path, final long result)
            throws IOException {
        if (result < 0) {
            throw failure(action, path, result);
        }
    }

    private static IOException failure(final String action, final Path path, final long result) {
        return new IOException(
                "cannot " + action + " " + path + ": " + Errno.meaning((int) -result));
    }
}
