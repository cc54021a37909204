package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.QmpClient;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;

/** {@code lockstep resolve}: one of two nodes in a split brain gives way. */
@Command(
        name = "resolve",
        description =
                "Says what each of two nodes has that went different ways (split brain); with"
                        + " --discard the one that it is said to gives its own way up, once and for"
                        + " this peer, and is made equal to it: what differs is sent, and nothing"
                        + " else.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On either host, to see what would be lost where:",
            "    lockstep resolve --control /run/vda.qmp",
            "",
            "  and on the one that gives way:",
            "    lockstep resolve --control /run/vda.qmp --discard",
            "",
            "The connections of its guest end, and it is the secondary of the other one",
            "from then on ('lockstep primary' ends, and says how to start it as one). Until",
            "it is equal 'lockstep failover --force' there goes back to what it had.",
            "",
            "Exit codes: 0 done; 1 refused, nothing was given up, or no answer; 2 wrong usage."
        })
public final class ResolveCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Option(
            names = "--discard",
            description =
                    "This node gives up what it has changed by itself. Without it nothing is done.")
    private boolean discard;

    @Override
    public Integer call() {
        final JsonObject arguments = new JsonObject();
        arguments.addProperty("discard", discard);
        try (QmpClient client = options.connect()) {
            print(
                    client.execute("x-lockstep-resolve", arguments, options.timeout())
                            .getAsJsonObject());
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep resolve: " + e.getMessage());
            return 1;
        }
    }

    private void print(final JsonObject found) {
        final PrintWriter out = spec.commandLine().getOut();
        final JsonObject own = found.getAsJsonObject("own");
        final JsonObject peer = found.getAsJsonObject("peer");
        final String reason = found.get("reason").getAsString();
        if (found.get("discarded").getAsBoolean()) {
            out.println("discarded: " + reason);
            out.println(
                    "this node gives way to node "
                            + peer.get("node").getAsString()
                            + ": it is a secondary now, and gets what differs; until it is equal"
                            + " 'lockstep failover --force' here goes back to what it had");
        } else {
            out.println("this node " + side(own, reason));
            out.println("the peer  " + side(peer, peer.get("reason").getAsString()));
            out.println(
                    "nothing was done; the one on which 'lockstep resolve' is said with --discard"
                            + " gives up what it has, and is made equal to the other");
        }
    }

    private static String side(final JsonObject side, final String reason) {
        return "("
                + side.get("node").getAsString()
                + ") has "
                + reason
                + "; "
                + (side.get("guest").getAsBoolean() ? "a client" : "no client")
                + " of its guest is connected";
    }
}
