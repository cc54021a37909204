package io.lockstep.cli.command;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.QmpClient;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.concurrent.Callable;

/** {@code lockstep resize}: both sides take the length that the disks' files have become. */
@Command(
        name = "resize",
        description =
                "Has a primary and its secondary take the length that the files of their disks have"
                        + " become on both hosts, while the guest is served. Guests that connect"
                        + " from then on are offered it. A disk is never made shorter.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On both hosts the file is made longer, or the logical volume:",
            "    truncate -s 20G vda.img",
            "    lvextend -L 20G vg/vda",
            "",
            "  and then on the primary, once:",
            "    lockstep resize --control /run/primary.qmp",
            "    lockstep resize --control /run/primary.qmp --disk vda",
            "",
            "  A virtual machine sees the new length when it connects anew: an open NBD",
            "  connection has one length for good.",
            "",
            "Exit codes: 0 both sides have taken it, or had it before; 1 refused, or no answer, or"
                    + " the",
            "secondary has not taken it yet; 2 wrong usage."
        })
public final class ResizeCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Option(
            names = "--disk",
            paramLabel = "NAME",
            description = "This disk alone; otherwise all whose files have become longer.")
    private String disk;

    @Override
    public Integer call() {
        final JsonObject arguments = new JsonObject();
        if (disk != null) {
            arguments.addProperty("disk", disk);
        }
        try (QmpClient client = options.connect()) {
            final JsonElement taken =
                    client.execute("x-lockstep-resize", arguments, options.timeout());
            for (final JsonElement each : taken.getAsJsonArray()) {
                spec.commandLine().getOut().println(sentence(each.getAsJsonObject()));
            }
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep resize: " + e.getMessage());
            return 1;
        }
    }

    private static String sentence(final JsonObject taken) {
        final long length = taken.get("length").getAsLong();
        final long before = taken.get("before").getAsLong();
        return "disk "
                + taken.get("disk").getAsString()
                + " has "
                + length
                + " bytes on both sides"
                + (length > before
                        ? ", it had " + before
                        : " already, and its files have no more; for a longer one make both files"
                                + " longer first (truncate -s, lvextend)");
    }
}
