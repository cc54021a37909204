package io.lockstep.bench;

import io.lockstep.cli.run.CommandRun;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParseResult;

import java.io.IOException;

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
        CommandRun.run(commandLine(), arguments);
    }

    static CommandLine commandLine() {
        return new CommandLine(new Measuring())
                .setExpandAtFiles(false)
                .setPosixClusteredShortOptionsAllowed(false)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler(Measuring::onFailure);
    }

    /** What failed in the world is told in a sentence; what failed in here, with its trace. */
    private static int onFailure(
            final Exception failure, final CommandLine command, final ParseResult arguments)
            throws Exception {
        if (!(failure instanceof IOException)) {
            throw failure;
        }
        command.getErr()
                .println(command.getCommandSpec().qualifiedName() + ": " + failure.getMessage());
        return command.getCommandSpec().exitCodeOnExecutionException();
    }
}
