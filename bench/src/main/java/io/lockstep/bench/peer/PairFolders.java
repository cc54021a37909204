package io.lockstep.bench.peer;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/**
 * New folders for one pair, gone when this closes: one for its disks, on the file system that is
 * measured, and one for lockstep's pre-images, which lie in memory whatever the disks lie on; where
 * somebody says, the secondary's disks lie there as well.
 */
public final class PairFolders implements AutoCloseable {
    private final MemoryFolder disks;
    private final MemoryFolder buffers;
    private final Path secondaryDisks;

    private PairFolders(
            final MemoryFolder disks, final MemoryFolder buffers, final Path secondaryDisks) {
        this.disks = disks;
        this.buffers = buffers;
        this.secondaryDisks = secondaryDisks;
    }

    /**
     * Makes them.
     *
     * @param directory for the disks; null for memory
     */
    public static PairFolders in(final Path directory) throws IOException {
        return in(directory, false);
    }

    /**
     * Makes them.
     *
     * @param directory for the disks; null for memory
     * @param isSecondaryInMemory whether the secondary's disks lie there all the same
     */
    public static PairFolders in(final Path directory, final boolean isSecondaryInMemory)
            throws IOException {
        final MemoryFolder disks = MemoryFolder.in(directory);
        try {
            final MemoryFolder buffers = new MemoryFolder();
            final Path secondaryDisks = isSecondaryInMemory ? buffers.path() : disks.path();
            return new PairFolders(disks, buffers, secondaryDisks);
        } catch (final IOException e) {
            disks.close();
            throw e;
        }
    }

    /** Has all that was written to the disks brought to their device. */
    public void writeBack() throws IOException {
        for (final Path folder : List.of(disks(), secondaryDisks())) {
            try (DirectoryStream<Path> images = Files.newDirectoryStream(folder, "*.{img,qcow2}")) {
                for (final Path image : images) {
                    try (FileChannel disk = FileChannel.open(image, StandardOpenOption.WRITE)) {
                        disk.force(false);
                    }
                }
            }
        }
    }

    Path disks() {
        return disks.path();
    }

    Path secondaryDisks() {
        return secondaryDisks;
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
