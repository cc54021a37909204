package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.run.Quantity;
import io.lockstep.cli.run.Screen;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** {@code lockstep failover}: the secondary takes over. */
@Command(
        name = "failover",
        description =
                "Has the secondary take over at the last checkpoint. Make sure first that the"
                        + " primary's guest runs no more.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On the secondary's host, when the primary is lost:",
            "    lockstep failover --control /run/secondary.qmp",
            "  Whether it would be accepted, and what it would lose:",
            "    lockstep failover --control /run/secondary.qmp --explain",
            "",
            "  The guest is served at once; then the buffers are merged into the disks, which",
            "  this waits for.",
            "",
            "Exit codes: 0 done; 1 refused, or no answer; 2 wrong usage."
        })
public final class FailoverCommand implements Callable<Integer> {
    private static final long POLL_MS = 100;
    private static final int PERCENT_STEP = 10;

    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Option(
            names = "--no-wait",
            description = "Return as soon as the guest is served; the merge goes on.")
    private boolean noWait;

    @Option(
            names = "--force",
            description =
                    "Take over also where that is refused: the primary is linked and alive, or went"
                        + " on without this node, or the disks are between two checkpoints. What is"
                        + " missing here is lost.")
    private boolean force;

    @Option(
            names = "--fenced",
            description =
                    "The primary's host is fenced, or its process gone, for good: of disks that the"
                            + " two share no failover is accepted before somebody knows that.")
    private boolean fenced;

    @Option(
            names = "--fence",
            paramLabel = "CMD",
            description =
                    "Run the shell's command first, which fences the primary's host: with exit code"
                            + " 0 it has, as --fenced says; otherwise nothing is done.")
    private String fence;

    @Option(
            names = "--explain",
            description =
                    "Do nothing, and print as JSON whether a failover would be accepted, why not,"
                            + " to which epoch it would go, and what would be lost as far as the"
                            + " secondary has heard of it. Exits with 0 if it would be accepted.")
    private boolean explain;

    @Override
    public Integer call() throws InterruptedException {
        if (explain && (force || noWait || fenced || fence != null)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--explain does nothing but tell, and "
                            + (force
                                    ? "--force"
                                    : fenced ? "--fenced" : fence != null ? "--fence" : "--no-wait")
                            + " is for what is done: leave out one of the two");
        }
        final PrintWriter out = spec.commandLine().getOut();
        try (QmpClient client = options.connect()) {
            if (explain) {
                final JsonObject verdict = client.execute("x-lockstep-verdict", options.timeout());
                out.println(verdict);
                return verdict.get("allowed").getAsBoolean() ? 0 : 1;
            }
            if (fence != null && !isFenced()) {
                return 1;
            }
            final Optional<JsonObject> before = force ? verdict(client) : Optional.empty();
            final long start = System.nanoTime();
            final JsonObject arguments = new JsonObject();
            arguments.addProperty("force", force);
            arguments.addProperty("fenced", fenced || fence != null);
            final JsonObject done =
                    client.execute("x-lockstep-failover", arguments, options.timeout())
                            .getAsJsonObject();
            final long epoch = done.get("epoch").getAsLong();
            final boolean isDoneBefore = done.get("done-before").getAsBoolean();
            before.filter(verdict -> !isDoneBefore).ifPresent(this::sayWhatWasForced);
            out.println(
                    isDoneBefore
                            ? "had failed over before, and its checkpoint is epoch "
                                    + epoch
                                    + "; the guest is served"
                            : "failed over to epoch "
                                    + epoch
                                    + " in "
                                    + Quantity.nanos(System.nanoTime() - start)
                                    + "; the guest is served");
            out.flush();
            if (!noWait) {
                awaitMerge(client, new Screen(out));
                out.println("merged in " + Quantity.nanos(System.nanoTime() - start));
            }
            return 0;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep failover: " + e.getMessage());
            return 1;
        }
    }

    private boolean isFenced() throws IOException, InterruptedException {
        final int code = new ProcessBuilder("/bin/sh", "-c", fence).inheritIO().start().waitFor();
        if (code != 0) {
            spec.commandLine()
                    .getErr()
                    .println(
                            "lockstep failover: the command ended with "
                                    + code
                                    + ", so that the primary is not known to be fenced, and nothing"
                                    + " is done");
        }
        return code == 0;
    }

    /** How it stands before; empty where it can't be told, as the failover itself will say. */
    private Optional<JsonObject> verdict(final QmpClient client) throws IOException {
        try {
            return Optional.of(client.execute("x-lockstep-verdict", options.timeout()));
        } catch (final QmpClient.RefusedException e) {
            return Optional.empty();
        }
    }

    /** Whoever insists is told against what, and what is lost. */
    private void sayWhatWasForced(final JsonObject verdict) {
        if (!verdict.get("allowed").getAsBoolean()) {
            final JsonObject lost = verdict.getAsJsonObject("lost");
            spec.commandLine()
                    .getErr()
                    .println(
                            "lockstep failover: forced, though "
                                    + verdict.get("reason").getAsString()
                                    + " (behind epoch "
                                    + verdict.get("epoch").getAsLong()
                                    + " there are "
                                    + lost.get("writes").getAsLong()
                                    + " writes that it has heard of)");
        }
    }

    private void awaitMerge(final QmpClient client, final Screen screen)
            throws IOException, InterruptedException {
        int shown = -1;
        JsonObject status = client.execute("x-lockstep-status", options.timeout());
        while (status.get("state").getAsString().equals("merging")) {
            final long done = status.get("merge-done").getAsLong();
            final long total = status.get("merge-total").getAsLong();
            final int percent = total == 0 ? 0 : (int) (100 * (double) done / total);
            if (screen.isTerminal() || percent / PERCENT_STEP != shown / PERCENT_STEP) {
                screen.show(
                        "merging: "
                                + percent
                                + "% of "
                                + Quantity.bytes(total)
                                + System.lineSeparator());
                shown = percent;
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MS);
            status = client.execute("x-lockstep-status", options.timeout());
        }
    }
}
