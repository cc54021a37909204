package io.lockstep.bench.report;

import picocli.CommandLine.Option;

import java.nio.file.Path;

/**
 * What commands that measure in rounds have in common: how many there are, whether a look will do,
 * and where the tables go. A mixin of picocli's; what {@code --short} leaves away beyond that is
 * for each command to say.
 */
public class RoundOptions {
    @Option(
            names = "--rounds",
            defaultValue = "3",
            description = "Rounds of each measurement (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--short",
            description = "A look: one round, and less of all that takes long; see the examples.")
    private boolean isShort;

    @Option(
            names = "--markdown",
            paramLabel = "FILE",
            description = "Writes the tables there as well.")
    private Path markdown;

    /** How often all is measured. */
    public final int rounds() {
        return isShort ? 1 : rounds;
    }

    /** Whether a look will do, on short disks and in short rounds. */
    public final boolean isShort() {
        return isShort;
    }

    /** Null for nowhere. */
    public final Path markdown() {
        return markdown;
    }
}
