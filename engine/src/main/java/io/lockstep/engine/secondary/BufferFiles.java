package io.lockstep.engine.secondary;

import java.nio.file.Path;
import java.util.Optional;

/**
 * Where the buffers of one secondary disk lie: an immutable value. Each path is what the names of
 * several files begin with.
 *
 * @param active of the active disk
 * @param hidden of the hidden disk
 * @param spill of what the hidden disk has no room for, on a disk; empty for none
 */
public record BufferFiles(Path active, Path hidden, Optional<Path> spill) {
    /** Of a disk without a spill. */
    public BufferFiles(final Path active, final Path hidden) {
        this(active, hidden, Optional.empty());
    }

    /** Those of a disk, by its number in the group, in a directory of the group's own. */
    public static BufferFiles in(final Path directory, final int number) {
        final String prefix = "disk" + number;
        return new BufferFiles(
                directory.resolve(prefix + ".active"), directory.resolve(prefix + ".hidden"));
    }

    /** The same, with a spill in a directory that is the group's own as well. */
    public BufferFiles spillingTo(final Path directory, final int number) {
        return new BufferFiles(
                active, hidden, Optional.of(directory.resolve("disk" + number + ".spill")));
    }
}
