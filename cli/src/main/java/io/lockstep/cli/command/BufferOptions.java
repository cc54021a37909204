package io.lockstep.cli.command;

import io.lockstep.cli.argument.PathConverter;
import io.lockstep.cli.argument.SizeConverter;
import io.lockstep.engine.secondary.BufferFiles;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a secondary takes of its host, on the command line: where it keeps its buffers, how much of
 * them, and how many loops.
 */
final class BufferOptions {
    private static final Path MEMORY = Path.of("/dev/shm");

    @Option(
            names = "--buffers",
            paramLabel = "DIR",
            converter = PathConverter.class,
            description =
                    "A directory of this group's own for a secondary's hidden and active disks,"
                        + " best in memory; made if it is missing. They hold what the disks hold:"
                        + " only this user may own and write it (default: one under /dev/shm that"
                        + " is named after the control socket).")
    private Path buffers;

    @Option(
            names = "--buffer-limit",
            paramLabel = "SIZE",
            converter = SizeConverter.class,
            description =
                    "How much each of the three buffers of a disk may take, such as 512M; beyond it"
                        + " pre-images go to --spill; without one replication stops with an error,"
                        + " and a node that is being made equal gives its checkpoint up (default:"
                        + " as much as the longest disk, and all together at most half of the"
                        + " buffers' file system).")
    private Long bufferLimit;

    @Option(
            names = "--spill",
            paramLabel = "DIR",
            converter = PathConverter.class,
            description =
                    "A directory of this group's own on a disk, for the pre-images that the buffers"
                            + " have no room for; made if it is missing. Only this user may own and"
                            + " write it (default: none).")
    private Path spill;

    /**
     * In bytes; 0 for what fits the disks and the file system.
     *
     * @throws ParameterException where it, or another one of these, makes no sense
     */
    long limit(final CommandSpec spec) {
        PairOptions.requireAtLeastOne(
                spec, "--buffer-limit", bufferLimit == null ? 1 : bufferLimit);
        return bufferLimit == null ? 0 : bufferLimit;
    }

    /** Where the buffers of a disk lie, by its number in the group. */
    BufferFiles files(final Path directory, final int number) {
        final BufferFiles files = BufferFiles.in(directory, number);
        return spill == null ? files : files.spillingTo(spill, number);
    }

    /**
     * The directory. The same for the same control socket, so that a restart finds it, and another
     * for any other.
     *
     * @throws IOException where there is no place in memory for it, and none was named
     */
    Path directory(final Path control) throws IOException {
        if (buffers != null) {
            return buffers;
        }
        if (!Files.isWritable(MEMORY)) {
            throw new IOException(
                    MEMORY
                            + " is not there or can't be written, so that the buffers have no place"
                            + " in memory; name a directory for them with --buffers");
        }
        return MEMORY.resolve(defaultName(control.toAbsolutePath().normalize().toString()));
    }

    /** A path as a name: slashes are hyphens, and what could be taken for another is escaped. */
    static String defaultName(final String path) {
        final StringBuilder name = new StringBuilder("lockstep");
        for (final byte value : path.getBytes(StandardCharsets.UTF_8)) {
            final char character = (char) (value & 0xff);
            if (character == '/') {
                name.append('-');
            } else if (character < 0x80
                    && (Character.isLetterOrDigit(character) || "._".indexOf(character) >= 0)) {
                name.append(character);
            } else {
                name.append(String.format("%%%02x", (int) character));
            }
        }
        return name.toString();
    }
}
