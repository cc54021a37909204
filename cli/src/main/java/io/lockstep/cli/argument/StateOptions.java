package io.lockstep.cli.argument;

import picocli.CommandLine.Option;

import java.nio.file.Path;

/** Where a node keeps what it remembers of its pair, on the command line. */
public final class StateOptions {
    @Option(
            names = "--state",
            paramLabel = "DIR",
            converter = PathConverter.class,
            description =
                    "A directory of this node's own for what it remembers of its pair, on storage"
                            + " that survives a loss of power; made if it is missing (default:"
                            + " beside the first disk's file, as FILE.lockstep; of a block device"
                            + " /var/lib/lockstep/NAME).")
    private Path directory;

    @Option(
            names = "--state-may-vanish",
            description =
                    "The state may lie in memory although the disks do not: after a reboot the"
                            + " node does not know that it was ever in a pair.")
    private boolean mayVanish;

    /** The directory; null for the one beside the first disk. */
    public Path directory() {
        return directory;
    }

    /** Whether it may lie in memory where the disks outlive that. */
    public boolean mayVanish() {
        return mayVanish;
    }
}
