package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.argument.FencedOption;
import io.lockstep.cli.control.QmpClient;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.concurrent.Callable;

/** {@code lockstep stop}: the end of replication without a failover. */
@Command(
        name = "stop",
        description =
                "Ends replication without a failover. The engine goes on serving its disks as"
                        + " plain ones; a secondary's keep what the primary wrote last.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  End replication, and the engine too:",
            "    lockstep stop --control /run/primary.qmp --quit",
            "",
            "  It holds for this process. Started again, 'lockstep node', 'primary' or",
            "  'secondary' is what its record says: a primary pairs again, and its peer gets",
            "  what differs; a secondary that was stopped here has gone its own way, which",
            "  its primary is told of when they meet. To end the pair for good, end the",
            "  engine and say 'lockstep state --forget'.",
            "",
            "Exit codes: 0 done; 1 refused, or no answer; 2 wrong usage."
        })
public final class StopCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;
    @Mixin private FencedOption fenced;

    @Option(names = "--quit", description = "End the engine's process as well.")
    private boolean quit;

    @Override
    public Integer call() {
        try (QmpClient client = options.connect()) {
            final JsonObject stopped =
                    client.execute("x-lockstep-stop", fenced.arguments(), options.timeout())
                            .getAsJsonObject();
            if (quit) {
                client.execute("quit", new JsonObject(), options.timeout());
            }
            spec.commandLine()
                    .getOut()
                    .println(
                            (stopped.get("done-before").getAsBoolean()
                                            ? "nothing was to be stopped: "
                                                    + stopped.get("reason").getAsString()
                                                    + "; "
                                            : "replication is stopped; ")
                                    + (quit
                                            ? "the engine ends"
                                            : "the disks are served as plain ones"));
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep stop: " + e.getMessage());
            return 1;
        }
    }
}
