package io.lockstep.bench;

import io.lockstep.bench.compare.FlushComparison;
import io.lockstep.bench.compare.ReplicationComparison;
import io.lockstep.bench.compare.ServeComparison;
import io.lockstep.bench.compare.SharedComparison;
import io.lockstep.bench.growth.Growth;
import io.lockstep.bench.healing.HealingComparison;
import io.lockstep.bench.limits.Limits;

import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

/** The command {@code lockstep bench}: what engineers run before they trust the engine. */
@Command(
        name = "bench",
        description = "Measures Lockstep, beside its peers where there are some.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            Microbenchmarks.class,
            ServeComparison.class,
            ReplicationComparison.class,
            FlushComparison.class,
            HealingComparison.class,
            SharedComparison.class,
            Growth.class,
            Limits.class,
            RegressionCheck.class,
            HelpCommand.class
        })
final class Bench {}
