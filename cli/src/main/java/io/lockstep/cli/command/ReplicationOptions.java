package io.lockstep.cli.command;

import io.lockstep.cli.argument.DurationConverter;
import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.PrimaryOptions;

import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.time.Duration;
import java.util.Optional;

/** What a primary does with what its guest writes, on the command line. */
final class ReplicationOptions {
    @Option(
            names = "--assume-identical",
            description =
                    "The disks hold the same data on both sides: you have copied them. It counts"
                            + " when they meet for the first time, of which neither was in a pair"
                            + " before. Without it only disks without any data are taken for"
                            + " equal.")
    private boolean assumeIdentical;

    @Option(
            names = "--checkpoint-every",
            paramLabel = "TIME",
            converter = DurationConverter.class,
            description =
                    "Make a checkpoint each time so much has passed, such as 50ms or 1s (default:"
                            + " only when told to).")
    private Duration checkpointEvery;

    @Mixin private ForwardOptions forward;

    /**
     * What they come to for the group.
     *
     * @throws ParameterException where they make no sense
     */
    PrimaryOptions toGroupOptions(final CommandSpec spec) {
        if (checkpointEvery != null && checkpointEvery.isZero()) {
            throw new ParameterException(
                    spec.commandLine(), "--checkpoint-every must be more than 0");
        }
        return forward.toGroupOptions(spec, assumeIdentical ? Word.AT_FIRST : Word.NONE);
    }

    /** How often a checkpoint is made by itself; empty for never. */
    Optional<Duration> checkpointEvery() {
        return Optional.ofNullable(checkpointEvery);
    }
}
