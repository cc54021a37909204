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
 *
 * <p>They say how the disks in them are used, too: whoever is started in them goes through the page
 * cache, or all go past it.
 */
public final class PairFolders implements AutoCloseable {
    private final MemoryFolder disks;
    private final MemoryFolder buffers;
    private final Path secondaryDisks;
    private final boolean isDirect;

    private PairFolders(
            final MemoryFolder disks,
            final MemoryFolder buffers,
            final Path secondaryDisks,
            final boolean isDirect) {
        this.disks = disks;
        this.buffers = buffers;
        this.secondaryDisks = secondaryDisks;
        this.isDirect = isDirect;
    }

    /**
     * Makes them.
     *
     * @param directory for the disks; null for memory
     */
    public static PairFolders in(final Path directory) throws IOException {
        return make(directory, false, false);
    }

    /**
     * Makes them for disks that are used past the page cache ({@code O_DIRECT}).
     *
     * @param directory for the disks, of a file system that has that
     */
    public static PairFolders direct(final Path directory) throws IOException {
        return make(directory, false, true);
    }

    /**
     * Makes them.
     *
     * @param directory for the disks; null for memory
     * @param isSecondaryInMemory whether the secondary's disks lie there all the same
     */
    public static PairFolders in(final Path directory, final boolean isSecondaryInMemory)
            throws IOException {
        return make(directory, isSecondaryInMemory, false);
    }

    private static PairFolders make(
            final Path directory, final boolean isSecondaryInMemory, final boolean isDirect)
            throws IOException {
        final MemoryFolder disks = MemoryFolder.in(directory);
        try {
            final MemoryFolder buffers = new MemoryFolder();
            final Path secondaryDisks = isSecondaryInMemory ? buffers.path() : disks.path();
            return new PairFolders(disks, buffers, secondaryDisks, isDirect);
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

    /** Whether the disks are used past the page cache. */
    boolean isDirect() {
        return isDirect;
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
