package io.lockstep.bench;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** What the launcher starts for {@code lockstep bench} and {@code lockstep profile}. */
@Command(
        name = "lockstep",
        description = "Measures Lockstep.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {Bench.class, Profile.class})
public final class Measuring {
    private Measuring() {}

    /** Starts the command line of this process and ends the process with its exit code. */
    public static void main(final String[] arguments) {
        System.exit(
                new CommandLine(new Measuring())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .execute(arguments));
    }
}
