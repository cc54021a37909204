package io.lockstep.bench.limits;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.ChildProcess;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.Rounds;
import io.lockstep.bench.report.TimedRoundOptions;
import io.lockstep.engine.disk.Disk;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;

/**
 * {@code lockstep bench limits}: what a replicated write costs in system calls and in copies of its
 * bytes, counted by the kernel; what this machine's memory and sockets can do, measured beside it;
 * and how far the one is from the other.
 */
@Command(
        name = "limits",
        description =
                "Counts system calls and copies a replicated write, measures memory and loopback,"
                        + " and tells the distance to that limit.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench limits            half a minute",
            "  lockstep bench limits --short    one round of 0.3 s",
            "  lockstep bench limits --strace   which calls they are, by strace (package strace)",
            "",
            "All calls are counted by perf stat where it may (package linux-perf), which slows"
                    + " nothing down;",
            "reads, writes and their bytes by /proc/PID/io."
        })
public final class Limits implements Callable<Integer> {
    private static final int MEBIBYTE = 1 << 20;

    @Spec private CommandSpec spec;

    @Mixin private final TimedRoundOptions options = new TimedRoundOptions(1, 0.3);

    @Option(names = "--tcp", description = "Link the pair over TCP, not over a Unix socket.")
    private boolean tcp;

    @Option(names = "--strace", description = "Names the calls of each process.")
    private boolean strace;

    /** One measurement of a load. */
    private record Result(Measurement client, CallCount primary, CallCount secondary) {
        double copies() {
            return primary.bytesPerPayload() + secondary.bytesPerPayload();
        }
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        final Report report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep bench limits" + (tcp ? " --tcp" : ""));
        try (MemoryFolder folder = new MemoryFolder();
                LockstepPair pair =
                        LockstepPair.start(
                                folder.path(),
                                LockstepPair.Shape.ofOneDisk(!tcp, BenchServer.DISK_LENGTH))) {
            report.progress("warming up");
            for (final Cell cell : cells()) {
                run(pair, cell);
            }
            final List<MachineLimits> limits = new ArrayList<>();
            final List<List<Result>> results = new ArrayList<>();
            cells().forEach(cell -> results.add(new ArrayList<>()));
            for (int round = 1; round <= options.rounds(); round++) {
                report.progress("round " + round + " of " + options.rounds());
                limits.add(MachineLimits.measure(folder.path(), options.seconds() / 2));
                for (int i = 0; i < cells().size(); i++) {
                    results.get(i).add(run(pair, cells().get(i)));
                }
            }
            show(report, limits, results);
            if (strace) {
                showCalls(report, pair);
            }
        }
        report.write(options.markdown());
        return 0;
    }

    private static List<Cell> cells() {
        return List.of(
                new Cell(true, 4 << 10, 1, 1),
                new Cell(true, 4 << 10, 16, 1),
                new Cell(true, 64 << 10, 16, 1),
                new Cell(true, MEBIBYTE, 4, 1));
    }

    /** A load, until the secondary has all of it. */
    private Result run(final LockstepPair pair, final Cell cell)
            throws IOException, InterruptedException {
        pair.checkpoint();
        final CallCount.Counter primary = CallCount.start(pair.primary());
        final CallCount.Counter secondary = CallCount.start(pair.secondary());
        final long start = System.nanoTime();
        final Measurement client = new OwnLoad(0).run(pair.guestUri(), cell, options.seconds());
        pair.drain();
        final double elapsed = (System.nanoTime() - start) / 1e9;
        final double requests = client.requestsPerSecond() * options.seconds();
        return new Result(
                client.scaled(options.seconds() / elapsed),
                primary.end(requests, cell.blockLength()),
                secondary.end(requests, cell.blockLength()));
    }

    private void show(
            final Report report,
            final List<MachineLimits> limits,
            final List<List<Result>> results) {
        report.paragraph(
                "Medians of the rounds ("
                        + options.rounds()
                        + "), the smallest and the largest in parentheses.");
        final MarkdownTable machine = new MarkdownTable("what this machine can do", "MiB/s");
        machine.row("copy within memory, one core", rounds(limits, MachineLimits::memory));
        machine.row("write into a file in memory, 1 MiB each", rounds(limits, MachineLimits::file));
        machine.row("through a Unix socket, 1 MiB each", rounds(limits, MachineLimits::unix));
        machine.row("through loopback TCP, 1 MiB each", rounds(limits, MachineLimits::tcp));
        report.table(machine);

        final MarkdownTable distance =
                new MarkdownTable(
                        "replicated write",
                        "MiB/s",
                        "copies of a byte",
                        "of what memory allows",
                        "of what the link allows");
        final MarkdownTable calls =
                new MarkdownTable(
                        "calls a write",
                        "primary: reads",
                        "writes",
                        "all",
                        "secondary: reads",
                        "writes",
                        "all");
        for (int i = 0; i < results.size(); i++) {
            final Cell cell = cells().get(i);
            final List<Result> list = results.get(i);
            addDistance(distance, cell, list, limits);
            calls.row(
                    cell,
                    median(list, result -> result.primary().reads()),
                    median(list, result -> result.primary().writes()),
                    median(list, result -> result.primary().all()),
                    median(list, result -> result.secondary().reads()),
                    median(list, result -> result.secondary().writes()),
                    median(list, result -> result.secondary().all()));
        }
        report.table(distance);
        report.paragraph(
                "Copies: by the kernel, bytes that both processes read and wrote for each byte of"
                    + " payload, headers included; and those that are not counted there: the"
                    + " client's send, and of a short payload the copy into the forward log. Of a"
                    + " long one over a Unix socket the link's two, of pages that are handed over,"
                    + " are none, and stand for two that are not counted: into the primary's disk,"
                    + " and of the pre-image. Memory allows as many bytes as all cores can copy so"
                    + " many times, from memory that no cache holds; the link, what a socket of its"
                    + " kind carries alone.");
        report.table(calls);
    }

    /** The client's send; and, of a short payload, the primary's copy into its forward log. */
    private static int copiesNotCounted(final Cell cell) {
        return cell.blockLength() < Disk.WINDOW_LENGTH_MIN ? 2 : 1;
    }

    private void addDistance(
            final MarkdownTable table,
            final Cell cell,
            final List<Result> results,
            final List<MachineLimits> limits) {
        final int cores = Runtime.getRuntime().availableProcessors();
        final List<Double> ofMemory = new ArrayList<>();
        final List<Double> ofLink = new ArrayList<>();
        for (int round = 0; round < results.size(); round++) {
            final Result result = results.get(round);
            final double rate = result.client().mebibytesPerSecond();
            final MachineLimits limit = limits.get(round);
            final double copies = result.copies() + copiesNotCounted(cell);
            ofMemory.add(100 * rate / (limit.memory() * cores / copies));
            ofLink.add(100 * rate / (tcp ? limit.tcp() : limit.unix()));
        }
        table.row(
                cell,
                rounds(results, result -> result.client().mebibytesPerSecond()),
                String.format(
                        Locale.ROOT,
                        "%.1f + %d",
                        new Rounds(results.stream().map(Result::copies).toList()).median(),
                        copiesNotCounted(cell)),
                new Rounds(ofMemory).spread("%.0f") + "%",
                new Rounds(ofLink).spread("%.0f") + "%");
    }

    private static String median(
            final List<Result> results, final ToDoubleFunction<Result> figure) {
        final double value =
                new Rounds(results.stream().mapToDouble(figure).boxed().toList()).median();
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.2f", value);
    }

    private static <T> String rounds(final List<T> list, final ToDoubleFunction<T> figure) {
        return new Rounds(list.stream().mapToDouble(figure).boxed().toList()).spread("%.0f");
    }

    /** Under strace, which slows each call down: batches are longer then, and calls fewer. */
    private void showCalls(final Report report, final LockstepPair pair)
            throws IOException, InterruptedException {
        if (!ChildProcess.isOnPath("strace")) {
            report.paragraph("Which calls they are is left out: no strace (package strace).");
            return;
        }
        final Cell cell = cells().get(1);
        final StraceCount primary = StraceCount.start(pair.primary());
        final StraceCount secondary = StraceCount.start(pair.secondary());
        final Measurement client = new OwnLoad(0).run(pair.guestUri(), cell, options.seconds());
        pair.drain();
        final double requests = client.requestsPerSecond() * options.seconds();
        report.paragraph("By strace, for " + cell + ", calls a write:");
        report.paragraph("primary: " + primary.end(requests));
        report.paragraph("secondary: " + secondary.end(requests));
    }
}
