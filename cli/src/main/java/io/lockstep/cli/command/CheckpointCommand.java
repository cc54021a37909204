package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.EngineStatus;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.run.Quantity;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
            "  The same, and it is to outlive the loss of power of the secondary's host:",
            "    lockstep checkpoint --control /run/primary.qmp --durable",
            "",
            "Exit codes: 0 done; 1 refused, or no answer; 2 wrong usage."
        })
public final class CheckpointCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Option(
            names = "--durable",
            description = "Wait until it is on the secondary's stable storage as well.")
    private boolean isDurable;

    @Override
    public Integer call() {
        try (QmpClient client = options.connect()) {
            final JsonObject made =
                    client.execute("x-lockstep-checkpoint", arguments(), options.timeout())
                            .getAsJsonObject();
            spec.commandLine()
                    .getOut()
                    .println(
                            "epoch "
                                    + made.get("epoch").getAsLong()
                                    + (isDurable ? " committed and durable in " : " committed in ")
                                    + Quantity.nanos(made.get("duration-ns").getAsLong()));
            return 0;
        } catch (final QmpClient.NoAnswerException e) {
            spec.commandLine().getErr().println("lockstep checkpoint: " + reasonOf(e));
            return 1;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep checkpoint: " + e.getMessage());
            return 1;
        }
    }

    private JsonObject arguments() {
        final JsonObject arguments = new JsonObject();
        if (isDurable) {
            arguments.addProperty("durable", true);
        }
        return arguments;
    }

    /** An engine that answers otherwise waits for its secondary. */
    private String reasonOf(final QmpClient.NoAnswerException silence) {
        final EngineStatus status;
        try {
            status = EngineStatus.of(options.control(), options.timeout());
        } catch (final IOException e) {
            return silence.getMessage();
        }
        if (!status.isAnswering()) {
            return status.silence();
        }
        final JsonObject report = status.report();
        return "no checkpoint within "
                + Quantity.nanos(options.timeout().toNanos())
                + ": the secondary at "
                + report.get("peer").getAsString()
                + (report.get("linked").getAsBoolean()
                        ? " is linked, and owes an answer ("
                                + Quantity.bytes(report.get("lag-bytes").getAsLong())
                                + " behind)"
                        : " has not been linked for "
                                + Quantity.nanos(report.get("unlinked-ns").getAsLong()))
                + "; the engine goes on with it: see lockstep status";
    }
}
