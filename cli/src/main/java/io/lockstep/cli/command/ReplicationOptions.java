package io.lockstep.cli.command;

import io.lockstep.cli.argument.DurationConverter;
import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.argument.LostLinkOptions;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.EngineRun;
import io.lockstep.cli.run.FenceCommand;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.PrimaryOptions;

import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.time.Duration;

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
    @Mixin private LostLinkOptions lostLink;

    /**
     * What they come to for the group.
     *
     * @throws ParameterException where they make no sense
     */
    private PrimaryOptions toGroupOptions(final CommandSpec spec) {
        if (checkpointEvery != null && checkpointEvery.isZero()) {
            throw new ParameterException(
                    spec.commandLine(), "--checkpoint-every must be more than 0");
        }
        return forward.toGroupOptions(spec, assumeIdentical ? Word.AT_FIRST : Word.NONE);
    }

    /**
     * The same with what is done when the link is lost.
     *
     * @throws ParameterException where they make no sense
     */
    PrimaryOptions toGroupOptions(final CommandSpec spec, final PairOptions.Pair pair) {
        if (pair.access().isShared()) {
            if (assumeIdentical) {
                throw new ParameterException(
                        spec.commandLine(),
                        "--assume-identical is for two disks, and with --shared there is one");
            }
            lostLink.suspendUnlessSaid();
        }
        final PrimaryOptions options =
                toGroupOptions(spec)
                        .withLostLink(
                                FenceCommand.policy(
                                        spec, lostLink, pair.control().toString(), pair.console()));
        return pair.access().isShared() ? options.sharing() : options;
    }

    /** Has a primary make checkpoints by itself, where that was asked for; on the engine's loop. */
    void makeCheckpoints(final EngineRun run, final Console console) {
        if (checkpointEvery != null) {
            run.controlService()
                    .checkpoints()
                    .makeEvery(
                            checkpointEvery.toNanos(),
                            reason -> console.say("no checkpoint could be made: " + reason));
        }
    }
}
