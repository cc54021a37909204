package io.lockstep.bench;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

/** The command {@code lockstep bench}: what engineers run before they trust the engine. */
@Command(
        name = "lockstep bench",
        description = "Measures Lockstep, beside its peers where there are some.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {ServeComparison.class, ReplicationComparison.class, HelpCommand.class})
public final class Bench {
    /** Starts the command line of this process and ends the process with its exit code. */
    public static void main(final String[] arguments) {
        System.exit(
                new CommandLine(new Bench())
                        .setCaseInsensitiveEnumValuesAllowed(true)
                        .execute(arguments));
    }
}
