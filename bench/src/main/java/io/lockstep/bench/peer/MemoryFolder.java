package io.lockstep.bench.peer;

import io.lockstep.cli.run.DirectoryTree;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A new folder that is gone when this closes: in memory where there is such a file system, or where
 * somebody says.
 */
public final class MemoryFolder implements AutoCloseable {
    private static final Path MEMORY = Path.of("/dev/shm");

    /** A container's may be too small for anything. */
    private static final long ROOM_MIN = 1L << 30;

    private final Path path;

    /** Makes it. */
    public MemoryFolder() throws IOException {
        // Short: the path of a Unix socket has 108 bytes.
        path =
                Files.isWritable(MEMORY) && MEMORY.toFile().getUsableSpace() >= ROOM_MIN
                        ? Files.createTempDirectory(MEMORY, "lockstep-bench")
                        : Files.createTempDirectory("lockstep-bench");
    }

    private MemoryFolder(final Path directory) throws IOException {
        path = Files.createTempDirectory(directory, "lockstep-bench").toRealPath();
    }

    /** Makes it in a directory; null for memory. */
    public static MemoryFolder in(final Path directory) throws IOException {
        return directory == null ? new MemoryFolder() : new MemoryFolder(directory);
    }

    /** Where it is. */
    public Path path() {
        return path;
    }

    /** Makes a folder in it. */
    public Path folder(final String name) throws IOException {
        return Files.createDirectory(path.resolve(name));
    }

    /** Removes a folder that was made in it. */
    public void remove(final String name) throws IOException {
        DirectoryTree.remove(path.resolve(name));
    }

    @Override
    public void close() throws IOException {
        DirectoryTree.remove(path);
    }
}
