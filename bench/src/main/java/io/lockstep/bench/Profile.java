package io.lockstep.bench;

import io.lockstep.bench.profile.CheckpointProfile;
import io.lockstep.bench.profile.LoopsProfile;
import io.lockstep.bench.profile.MergeProfile;
import io.lockstep.bench.profile.ThroughputProfile;
import io.lockstep.bench.profile.WarmUpProfile;

import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

/** The command {@code lockstep profile}: what an engine does under a load, in detail. */
@Command(
        name = "profile",
        description = "Shows what a pair of processes does under a load.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            CheckpointProfile.class,
            LoopsProfile.class,
            MergeProfile.class,
            ThroughputProfile.class,
            WarmUpProfile.class,
            HelpCommand.class
        })
final class Profile {}
