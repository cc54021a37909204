package io.lockstep.cli.command;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.argument.FencedOption;
import io.lockstep.cli.control.QmpClient;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.concurrent.Callable;

/** {@code lockstep promote}: a primary serves its guest without having met its peer. */
@Command(
        name = "promote",
        description =
                "Has a primary serve its guest that waits for its peer: as it was started again and"
                        + " has not met it, or as the link is lost (--on-lost-link suspend, or"
                        + " fence). Make sure first that the peer is dead, and has not taken"
                        + " over; of disks that the two share, fence it, and say --fenced.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On the primary's host, when the secondary's is lost:",
            "    lockstep promote --control /run/primary.qmp",
            "  The same of disks that both hosts see, when the secondary's host is off:",
            "    lockstep promote --control /run/primary.qmp --fenced",
            "",
            "Exit codes: 0 done; 1 refused, or no answer; 2 wrong usage."
        })
public final class PromoteCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;
    @Mixin private FencedOption fenced;

    @Override
    public Integer call() {
        try (QmpClient client = options.connect()) {
            client.execute("x-lockstep-promote", fenced.arguments(), options.timeout());
            spec.commandLine()
                    .getOut()
                    .println("the guest is served, in a generation that the peer doesn't have");
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep promote: " + e.getMessage());
            return 1;
        }
    }
}
