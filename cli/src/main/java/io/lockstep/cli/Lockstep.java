package io.lockstep.cli;

import io.lockstep.cli.command.CheckpointCommand;
import io.lockstep.cli.command.EngineCommand;
import io.lockstep.cli.command.FailoverCommand;
import io.lockstep.cli.command.JoinCommand;
import io.lockstep.cli.command.NodeCommand;
import io.lockstep.cli.command.PrimaryCommand;
import io.lockstep.cli.command.PromoteCommand;
import io.lockstep.cli.command.RehearsalCommand;
import io.lockstep.cli.command.ResizeCommand;
import io.lockstep.cli.command.ResolveCommand;
import io.lockstep.cli.command.SecondaryCommand;
import io.lockstep.cli.command.ServeCommand;
import io.lockstep.cli.command.StateCommand;
import io.lockstep.cli.command.StatusCommand;
import io.lockstep.cli.command.StopCommand;
import io.lockstep.cli.command.SwitchoverCommand;
import io.lockstep.cli.command.VerifyCommand;
import io.lockstep.cli.command.WaitCommand;
import io.lockstep.cli.demo.DemoCommand;
import io.lockstep.cli.run.CommandRun;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.util.concurrent.Callable;

/**
 * The command {@code lockstep}: what the launcher starts, and where the subcommands hang.
 *
 * <p>Exit codes are picocli's: 0 done, 1 failed, 2 wrong usage.
 */
@Command(
        name = "lockstep",
        description =
                "Replicates the disks of a virtual machine to a second host, which can take over at"
                        + " the last checkpoint.",
        mixinStandardHelpOptions = true,
        versionProvider = Lockstep.Version.class,
        subcommands = {
            ServeCommand.class,
            SecondaryCommand.class,
            PrimaryCommand.class,
            NodeCommand.class,
            EngineCommand.class,
            CheckpointCommand.class,
            WaitCommand.class,
            StatusCommand.class,
            FailoverCommand.class,
            JoinCommand.class,
            PromoteCommand.class,
            SwitchoverCommand.class,
            ResolveCommand.class,
            VerifyCommand.class,
            ResizeCommand.class,
            StateCommand.class,
            StopCommand.class,
            DemoCommand.class,
            RehearsalCommand.class
        },
        synopsisSubcommandLabel = "COMMAND",
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep demo                   all of it on this machine, in under a minute",
            "",
            "  lockstep secondary --disk vda=vda.img --listen nbd://:10809 \\",
            "      --guest nbd+unix:///?socket=/run/guest.sock --control /run/secondary.qmp",
            "  lockstep primary --disk vda=vda.img --peer nbd://SECONDARY \\",
            "      --guest nbd+unix:///?socket=/run/guest.sock \\",
            "      --control /run/primary.qmp --checkpoint-every 1s",
            "  lockstep failover --control /run/secondary.qmp",
            "  lockstep node --help            one command for both hosts, for units",
            "",
            "  lockstep serve --disk vda=vda.img --listen nbd://localhost",
            "",
            "Two more commands measure it, and are built when first used:",
            "  lockstep bench                  each piece by itself, and all beside its peers",
            "  lockstep profile                what a pair does under a load, in detail",
            "",
            "Exit codes: 0 done; 1 failed, with a sentence on standard error; 2 wrong usage;",
            "70 an error of lockstep itself."
        })
public final class Lockstep implements Callable<Integer> {

    @Spec private CommandSpec spec;

    /** Starts the command line of this process and ends the process with its exit code. */
    public static void main(final String[] arguments) {
        CommandRun.run(commandLine(), arguments);
    }

    /** The command line with all of its subcommands, for {@link #main} and for tests. */
    public static CommandLine commandLine() {
        final CommandLine line = new CommandLine(new Lockstep());
        line.getSubcommands()
                .values()
                .forEach(command -> command.getCommandSpec().versionProvider(new Version()));
        return line.setExpandAtFiles(false) // an argument is what it says, whatever files there are
                .setPosixClusteredShortOptionsAllowed(false) // -hda is no -h
                .setParameterExceptionHandler(Lockstep::onWrongUsage)
                .setExecutionExceptionHandler(CommandRun::onFailure);
    }

    /** Says what is wrong in one line: a page of usage would hide it. */
    private static int onWrongUsage(final ParameterException wrong, final String[] arguments) {
        final CommandLine command = wrong.getCommandLine();
        final String name = command.getCommandSpec().qualifiedName();
        command.getErr().println(name + ": " + wrong.getMessage());
        command.getErr().println("Try '" + name + " --help'.");
        return command.getCommandSpec().exitCodeOnInvalidInput();
    }

    @Override
    public Integer call() {
        throw new ParameterException(spec.commandLine(), "Missing required subcommand");
    }

    /** Names the version that Maven wrote into the jar's manifest. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            final String version = Lockstep.class.getPackage().getImplementationVersion();
            return new String[] {"lockstep " + (version == null ? "(not packaged)" : version)};
        }
    }
}
