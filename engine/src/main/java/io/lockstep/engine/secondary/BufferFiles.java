package io.lockstep.engine.secondary;

import java.nio.file.Path;

/**
 * Where the buffers of one secondary disk lie: an immutable value. Each path is what the names of
 * several files begin with.
 *
 * @param active of the active disk
 * @param hidden of the hidden disk
 */
public record BufferFiles(Path active, Path hidden) {
    /** Those of a disk, by its number in the group, in a directory of the group's own. */
    public static BufferFiles in(final Path directory, final int number) {
        final String prefix = "disk" + number;
        return new BufferFiles(
                directory.resolve(prefix + ".active"), directory.resolve(prefix + ".hidden"));
    }
}
