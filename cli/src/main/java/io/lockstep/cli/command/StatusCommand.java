package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlOptions;
import io.lockstep.cli.control.EngineStatus;
import io.lockstep.cli.run.Quantity;
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

/** {@code lockstep status}: what an engine says of itself, or said last. */
@Command(
        name = "status",
        description = "Shows how replication fares.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  Once, and again every second:",
            "    lockstep status --control /run/primary.qmp",
            "    lockstep status --control /run/primary.qmp --watch",
            "",
            "  Where the engine does not answer, it shows what the counters beside the",
            "  socket hold, and how old that is.",
            "",
            "Exit codes: 0 shown; 1 the engine does not answer (its last counters are",
            "shown where there are any); 2 wrong usage."
        })
public final class StatusCommand implements Callable<Integer> {
    private static final long WATCH_MS = 1000;

    @Spec private CommandSpec spec;
    @Mixin private ControlOptions options;

    @Option(names = "--json", description = "As JSON, one object a line.")
    private boolean json;

    @Option(names = "--watch", description = "Again every second, in place, until SIGINT.")
    private boolean watch;

    @Override
    public Integer call() throws InterruptedException {
        final PrintWriter out = spec.commandLine().getOut();
        final Screen screen = new Screen(out);
        try {
            EngineStatus status = EngineStatus.of(options.control(), options.timeout());
            boolean isRead = screen.show(text(status));
            while (watch && isRead) {
                TimeUnit.MILLISECONDS.sleep(WATCH_MS);
                status = EngineStatus.of(options.control(), options.timeout());
                isRead = screen.show(text(status));
            }
            return status.isAnswering() ? 0 : 1;
        } catch (final IOException e) {
            spec.commandLine().getErr().println("lockstep status: " + e.getMessage());
            return 1;
        }
    }

    private String text(final EngineStatus status) {
        if (json) {
            return status.toJson() + System.lineSeparator();
        }
        final StringBuilder text = new StringBuilder();
        if (!status.isAnswering()) {
            text.append(
                    String.format(
                            "%s; what it said %s ago:%n",
                            status.silence(), Quantity.nanos(status.ageMillis() * 1_000_000)));
        }
        StatusText.append(text, status.report());
        return text.toString();
    }

    /** A report in lines for people. */
    private static final class StatusText {
        private StatusText() {}

        static void append(final StringBuilder text, final JsonObject report) {
            final String peer = string(report, "peer");
            final String link =
                    report.get("linked").getAsBoolean()
                            ? ", linked" + (peer.isEmpty() ? "" : " to " + peer)
                            : ", not linked"
                                    + (number(report, "unlinked-ns") == 0
                                            ? ""
                                            : " for "
                                                    + Quantity.nanos(
                                                            number(report, "unlinked-ns")));
            line(text, string(report, "role") + ", " + string(report, "state") + link);
            if (!string(report, "ending").isEmpty()) {
                line(text, "replication has ended: " + string(report, "ending"));
            }
            appendNode(text, report);
            if (!string(report, "unlinked-reason").isEmpty() && !isToldOtherwise(report)) {
                line(text, "link: " + string(report, "unlinked-reason"));
            }
            line(
                    text,
                    "epochs: "
                            + number(report, "open-epoch")
                            + " open, "
                            + number(report, "sealed-epoch")
                            + " sealed, "
                            + number(report, "committed-epoch")
                            + " committed, "
                            + number(report, "durable-epoch")
                            + " durable");
            if (report.get("ack") instanceof final JsonObject ack
                    && !string(ack, "level").equals("local")) {
                line(
                        text,
                        "guest answered at: "
                                + string(ack, "level")
                                + (ack.get("in-force").getAsBoolean()
                                        ? ""
                                        : ", which is not in force: the secondary is not linked,"
                                                + " or not equal"));
            }
            appendVolumes(text, report);
            appendCheckpoints(text, report.getAsJsonObject("checkpoints"));
            report.getAsJsonArray("disks")
                    .forEach(disk -> appendDisk(text, disk.getAsJsonObject()));
            if (report.get("error") instanceof final JsonObject error) {
                line(text, "error: " + string(error, "desc"));
            }
        }

        /** Whether it is said with what follows from it. */
        private static boolean isToldOtherwise(final JsonObject report) {
            return report.has("error")
                    || report.has("waiting") && !string(report, "waiting").isEmpty();
        }

        private static void appendNode(final StringBuilder text, final JsonObject report) {
            if (!report.has("standing")) {
                return;
            }
            final String generation = string(report.getAsJsonObject("lineage"), "generation");
            line(text, "node: " + string(report, "standing") + ", generation " + generation);
            if (!string(report, "waiting").isEmpty()) {
                line(text, "waiting: " + string(report, "waiting"));
            }
            if (report.has("on-lost-link")
                    && !string(report, "on-lost-link").equals("continue")) { // the usual
                line(text, "on a lost link: " + string(report, "on-lost-link"));
            }
            if (report.get("verdict") instanceof final JsonObject verdict) {
                line(
                        text,
                        "failover: "
                                + (verdict.get("allowed").getAsBoolean()
                                        ? "possible, to epoch "
                                                + number(report, "committed-epoch")
                                                + ", behind which there are "
                                                + lost(report.getAsJsonObject("lost"))
                                        : "refused, as " + string(verdict, "reason")));
                if (!string(verdict, "warning").isEmpty()) {
                    line(text, "warning: " + string(verdict, "warning"));
                }
            }
            if (report.get("pre-image-room") instanceof final JsonObject room) {
                line(
                        text,
                        "pre-images: up to "
                                + bytes(room, "expected")
                                + " to come, room for "
                                + bytes(room, "left")
                                + " when that was said: the checkpoint "
                                + (room.get("enough").getAsBoolean()
                                        ? "is kept"
                                        : "may have to be given up"));
            }
        }

        private static String lost(final JsonObject lost) {
            return number(lost, "writes")
                    + " writes, "
                    + bytes(lost, "bytes")
                    + ", in "
                    + Quantity.nanos(number(lost, "age-ns"));
        }

        private static void appendVolumes(final StringBuilder text, final JsonObject report) {
            final boolean isPrimary = string(report, "role").equals("primary");
            if (isPrimary) {
                line(
                        text,
                        "behind: "
                                + bytes(report, "lag-bytes")
                                + ", "
                                + Quantity.nanos(number(report, "lag-ns")));
            }
            if (number(report, "buffer-limit") > 0) { // there are none after a merge
                line(
                        text,
                        (isPrimary ? "log: " : "buffers: ")
                                + bytes(report, "buffer-used")
                                + " of "
                                + bytes(report, "buffer-limit"));
            }
            if (report.get("synchronisation") instanceof final JsonObject status) {
                line(text, "synchronisation: " + synchronisation(status));
            }
            if (report.get("verification") instanceof final JsonObject verification) {
                line(text, "verification: " + VerificationText.of(verification));
            }
            if (string(report, "state").equals("merging")) {
                line(
                        text,
                        "merge: "
                                + bytes(report, "merge-done")
                                + " of "
                                + bytes(report, "merge-total"));
            }
        }

        private static String synchronisation(final JsonObject status) {
            final long rate = number(status, "rate");
            final boolean isCancelled = string(status, "state").equals("cancelled");
            final boolean isPaused = status.get("paused").getAsBoolean();
            return (isCancelled ? "cancelled, " : isPaused ? "paused, " : "")
                    + bytes(status, "left")
                    + " of "
                    + bytes(status, "total")
                    + " left"
                    + (number(status, "limit") == 0
                            ? ""
                            : ", at most " + bytes(status, "limit") + " a second")
                    + (rate == 0 || isPaused || isCancelled
                            ? ""
                            : ", "
                                    + Quantity.bytes(rate)
                                    + " a second, done in about "
                                    + Quantity.nanos(
                                            TimeUnit.SECONDS.toNanos(
                                                    number(status, "left") / rate)));
        }

        private static void appendCheckpoints(
                final StringBuilder text, final JsonObject checkpoints) {
            final long count = number(checkpoints, "count");
            if (count > 0) {
                line(
                        text,
                        "checkpoints: "
                                + count
                                + "; last "
                                + Quantity.nanos(number(checkpoints, "last-ns"))
                                + ", p50 "
                                + Quantity.nanos(number(checkpoints, "p50-ns"))
                                + ", p99 "
                                + Quantity.nanos(number(checkpoints, "p99-ns"))
                                + ", max "
                                + Quantity.nanos(number(checkpoints, "max-ns")));
            }
        }

        private static void appendDisk(final StringBuilder text, final JsonObject disk) {
            line(
                    text,
                    "disk "
                            + string(disk, "name")
                            + ": "
                            + bytes(disk, "length")
                            + "; "
                            + number(disk, "writes")
                            + " writes, "
                            + bytes(disk, "written-bytes")
                            + optional(disk, "hidden-used", "hidden")
                            + optional(disk, "active-used", "active")
                            + optional(disk, "dirty", "dirty"));
        }

        private static String optional(
                final JsonObject object, final String member, final String label) {
            return number(object, member) == 0 ? "" : ", " + label + " " + bytes(object, member);
        }

        private static void line(final StringBuilder text, final String line) {
            text.append(line).append(System.lineSeparator());
        }

        private static String string(final JsonObject object, final String member) {
            return object.get(member).getAsString();
        }

        private static long number(final JsonObject object, final String member) {
            return object.get(member).getAsLong();
        }

        private static String bytes(final JsonObject object, final String member) {
            return Quantity.bytes(number(object, member));
        }
    }
}
