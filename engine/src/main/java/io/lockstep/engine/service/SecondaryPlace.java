package io.lockstep.engine.service;

import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.secondary.SecondaryOptions;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Where a secondary keeps what it must remember, and how much of it. The group's page lies beside
 * the hidden disk of its first disk. Stateless.
 */
final class SecondaryPlace {
    private static final String PAGE_SUFFIX = ".group";
    private static final int BUFFERS_PER_DISK = 3;
    private static final long MARGIN = 1 << 20;

    private SecondaryPlace() {}

    /** The options of a group of these disks, which all have buffers. */
    static SecondaryOptions optionsOf(
            final List<EngineDisk> disks,
            final EngineOptions options,
            final boolean ofFormerPrimary)
            throws IOException {
        final List<BufferFiles> files = disks.stream().map(EngineDisk::buffers).toList();
        final Path hidden = files.getFirst().hidden().toAbsolutePath();
        final SecondaryOptions places =
                new SecondaryOptions(
                        hidden.resolveSibling(hidden.getFileName() + PAGE_SUFFIX),
                        files,
                        options.ownBuffers() != null,
                        options.bufferLimit() > 0 ? options.bufferLimit() : limitFor(disks, hidden),
                        options.primary().peerTimeout(),
                        ofFormerPrimary);
        return options.primary().isShared() ? places.sharing(() -> takeOver(disks)) : places;
    }

    private static void takeOver(final List<EngineDisk> disks) throws IOException {
        for (final EngineDisk disk : disks) {
            disk.file().takeOver();
        }
    }

    /** As much as the longest disk, and all together at most half of the file system. */
    private static long limitFor(final List<EngineDisk> disks, final Path hidden)
            throws IOException {
        Path existing = hidden.getParent();
        while (!Files.exists(existing)) {
            existing = existing.getParent();
        }
        final long total = Files.getFileStore(existing).getTotalSpace();
        final long longest = disks.stream().mapToLong(EngineDisk::length).max().orElse(0);
        return Math.min(longest + MARGIN, total / 2 / BUFFERS_PER_DISK / disks.size());
    }
}
