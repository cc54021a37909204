package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.run.Quantity;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.concurrent.Callable;

/** {@code lockstep checkpoint}: one checkpoint, now. */
@Command(
        name = "checkpoint",
        description =
                "Makes the state of this moment the one that failover returns to; prints its epoch"
                        + " and how long it took.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On the primary:",
            "    lockstep checkpoint --control /run/primary.qmp",
            "",
            "Exit codes: 0 done; 1 refused, or no answer; 2 wrong usage."
        })
public final class CheckpointCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Override
    public Integer call() {
        try (QmpClient client = options.connect()) {
            final JsonObject made = client.execute("x-lockstep-checkpoint", options.timeout());
            spec.commandLine()
                    .getOut()
                    .println(
                            "epoch "
                                    + made.get("epoch").getAsLong()
                                    + " committed in "
                                    + Quantity.nanos(made.get("duration-ns").getAsLong()));
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep checkpoint: " + e.getMessage());
            return 1;
        }
    }
}
