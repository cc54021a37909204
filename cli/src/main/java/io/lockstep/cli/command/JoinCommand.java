package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.QmpClient;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.concurrent.Callable;

/** {@code lockstep join}: a secondary's disks are overwritten by its primary's, once. */
@Command(
        name = "join",
        description =
                "Lets the primary that comes next overwrite the disks of a secondary that have data"
                        + " of their own; once, and never by a repeated command line. What is equal"
                        + " there is not sent. A node that is in a pair leaves it.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On the host of the secondary whose data may go:",
            "    lockstep join --control /run/secondary.qmp",
            "",
            "Exit codes: 0 done; 1 refused, or no answer; 2 wrong usage."
        })
public final class JoinCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Override
    public Integer call() {
        try (QmpClient client = options.connect()) {
            client.execute("x-lockstep-join", new JsonObject(), options.timeout());
            spec.commandLine()
                    .getOut()
                    .println("the disks are overwritten by the primary that comes next");
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep join: " + e.getMessage());
            return 1;
        }
    }
}
