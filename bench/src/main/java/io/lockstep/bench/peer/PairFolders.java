package io.lockstep.bench.peer;

import java.io.IOException;
import java.nio.file.Path;

/**
 * New folders for one pair, gone when this closes: one for its disks, on the file system that is
 * measured, and one for lockstep's pre-images, which lie in memory whatever the disks lie on.
 */
public final class PairFolders implements AutoCloseable {
    private final MemoryFolder disks;
    private final MemoryFolder buffers;

    private PairFolders(final MemoryFolder disks, final MemoryFolder buffers) {
        this.disks = disks;
        this.buffers = buffers;
    }

    /**
     * Makes them.
     *
     * @param directory for the disks; null for memory
     */
    public static PairFolders in(final Path directory) throws IOException {
        final MemoryFolder disks = MemoryFolder.in(directory);
        try {
            return new PairFolders(disks, new MemoryFolder());
        } catch (final IOException e) {
            disks.close();
            throw e;
        }
    }

    Path disks() {
        return disks.path();
    }

    Path buffers() {
        return buffers.path().resolve("buffers");
    }

    @Override
    public void close() throws IOException {
        try {
            disks.close();
        } finally {
            buffers.close();
        }
    }
}
