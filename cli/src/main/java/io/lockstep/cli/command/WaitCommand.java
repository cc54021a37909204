package io.lockstep.cli.command;

import io.lockstep.cli.argument.ControlPathConverter;
import io.lockstep.cli.argument.DurationConverter;
import io.lockstep.cli.control.EpochWatch;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.Callable;

/** {@code lockstep wait}: until an epoch is committed, or durable. */
@Command(
        name = "wait",
        description =
                "Waits until an epoch is committed, and prints the last one that is. It sleeps at"
                        + " the file PATH.epochs beside the control socket, and asks the engine"
                        + " nothing.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  Until the secondary has a checkpoint with all that the guest was told is",
            "  written by now:",
            "    lockstep wait --control /run/primary.qmp",
            "",
            "  On either side, until epoch 17 is on the secondary's stable storage:",
            "    lockstep wait --control /run/primary.qmp --epoch 17 --durable --timeout 5s",
            "",
            "Exit codes: 0 reached; 1 not reached: the time is over, the engine is gone,",
            "or its role has ended; 2 wrong usage."
        })
public final class WaitCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;

    @Option(
            names = "--control",
            required = true,
            paramLabel = "PATH",
            converter = ControlPathConverter.class,
            description = "The engine's control socket.")
    private Path control;

    @Option(
            names = "--epoch",
            paramLabel = "N",
            description =
                    "Which epoch (default: on a primary the open one, which has what its guest was"
                            + " told is written by now; on a secondary the next).")
    private Long epoch;

    @Option(
            names = "--durable",
            description = "Until it is on the secondary's stable storage as well.")
    private boolean isDurable;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            converter = DurationConverter.class,
            description = "How long to wait (default: as long as it takes).")
    private Duration timeout;

    @Override
    public Integer call() {
        if (epoch != null && epoch < 1) {
            throw new ParameterException(
                    spec.commandLine(), "--epoch must be 1 or more, not " + epoch);
        }
        try (EpochWatch watch = EpochWatch.open(control)) {
            final EpochWatch.Outcome outcome =
                    watch.await(
                            epoch == null ? OptionalLong.empty() : OptionalLong.of(epoch),
                            isDurable,
                            timeout == null ? Long.MAX_VALUE : timeout.toNanos());
            if (outcome.isReached()) {
                spec.commandLine().getOut().println(outcome.epoch());
                return 0;
            }
            return fail(outcome.reason());
        } catch (final IOException e) {
            return fail(e.getMessage());
        }
    }

    private int fail(final String sentence) {
        spec.commandLine().getErr().println("lockstep wait: " + sentence);
        return 1;
    }
}
