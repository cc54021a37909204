package io.lockstep.cli.command;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.run.Screen;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** {@code lockstep verify}: the disks of a running pair are compared. */
@Command(
        name = "verify",
        description =
                "Compares all disks of a primary with those of its secondary by checksum, while"
                        + " guests write and checkpoints are made, and waits for the end. What"
                        + " differs is listed and sent: the next checkpoint has it.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On the primary:",
            "    lockstep verify --control /run/primary.qmp",
            "",
            "Interrupted, it goes on in the engine: lockstep status shows how far it is,",
            "and the QMP command job-cancel (id verify) ends it.",
            "",
            "Exit codes: 0 all is equal; 1 refused, no answer, or ended early; 2 wrong usage;",
            "3 something differed."
        })
public final class VerifyCommand implements Callable<Integer> {
    private static final int DIFFERS = 3;
    private static final long POLL_MS = 200;

    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Option(
            names = "--json",
            description = "Prints the result as one JSON object, and no progress.")
    private boolean json;

    @Override
    public Integer call() throws InterruptedException {
        final PrintWriter out = spec.commandLine().getOut();
        final JsonObject result;
        try (QmpClient client = options.connect()) {
            client.execute("x-lockstep-verify", new JsonObject(), options.timeout());
            result = awaitEnd(client, new Screen(out));
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep verify: " + e.getMessage());
            return 1;
        }
        if (json) {
            out.println(result);
        } else {
            show(out, result);
        }
        if (!result.get("state").getAsString().equals("completed")) {
            spec.commandLine()
                    .getErr()
                    .println(
                            "lockstep verify: not all was compared: "
                                    + result.get("ending").getAsString());
            return 1;
        }
        return result.get("pieces").getAsLong() == 0 ? 0 : DIFFERS;
    }

    private JsonObject awaitEnd(final QmpClient client, final Screen screen)
            throws IOException, InterruptedException {
        while (true) {
            final JsonObject status = client.execute("x-lockstep-status", options.timeout());
            if (!(status.get("verification") instanceof final JsonObject verification)) {
                throw new IOException("the engine has no secondary any more");
            }
            final boolean isUnderWay = verification.get("state").getAsString().equals("running");
            if (screen.isTerminal() && !json) {
                screen.show(
                        VerificationText.of(verification)
                                + (status.get("linked").getAsBoolean() || !isUnderWay
                                        ? ""
                                        : " (waiting for the link)")
                                + System.lineSeparator());
            }
            if (!isUnderWay) {
                return verification;
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MS);
        }
    }

    /** What differed, and all in a line. */
    private static void show(final PrintWriter out, final JsonObject result) {
        for (final JsonElement each : result.getAsJsonArray("first")) {
            final JsonObject piece = each.getAsJsonObject();
            out.println(
                    "disk "
                            + piece.get("disk").getAsString()
                            + ": "
                            + piece.get("length").getAsLong()
                            + " bytes at "
                            + piece.get("offset").getAsLong()
                            + " differed");
        }
        final long more = result.get("pieces").getAsLong() - result.getAsJsonArray("first").size();
        if (more > 0) {
            out.println("and " + more + " pieces more");
        }
        out.println(VerificationText.of(result));
    }
}
