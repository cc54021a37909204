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

/** {@code lockstep switchover}: the two nodes of a pair switch their roles. */
@Command(
        name = "switchover",
        description =
                "Switches the roles of two nodes that run: the primary hands over what it has to"
                        + " the secondary, which replicates back to it. Nothing is lost, and"
                        + " nothing is sent but what the secondary's guest has written by itself."
                        + " Said on either side; both were started with 'lockstep node'.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On either host, before the primary's is taken down:",
            "    lockstep switchover --control /run/vda.qmp",
            "",
            "  The primary's guest waits meanwhile: none of its operations is answered or",
            "  refused. Where the roles can't be switched it goes on where it was. Where they",
            "  are its connections end there, and it finds its disks on the other host.",
            "",
            "Exit codes: 0 done; 1 refused, undone, in doubt, or no answer; 2 wrong usage."
        })
public final class SwitchoverCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Override
    public Integer call() {
        try (QmpClient client = options.connect()) {
            final long start = System.nanoTime();
            final JsonObject done =
                    client.execute("x-lockstep-switchover", new JsonObject(), options.timeout())
                            .getAsJsonObject();
            spec.commandLine()
                    .getOut()
                    .println(
                            "the roles are switched, at epoch "
                                    + done.get("epoch").getAsLong()
                                    + ", in "
                                    + Quantity.nanos(System.nanoTime() - start));
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep switchover: " + e.getMessage());
            return 1;
        }
    }
}
