package io.lockstep.bench.profile;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.FioJob;
import io.lockstep.bench.peer.ChildProcess;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.PairOptions;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.Rounds;
import io.lockstep.bench.report.StateOptions;

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
 * {@code lockstep profile throughput}: what a pair of processes carries, by length, depth,
 * connections and mix, without checkpoints and with; how far the secondary lags, and what a request
 * costs either process.
 */
@Command(
        name = "throughput",
        description =
                "Measures replicated writes and reads: length by depth by connections by mix, with"
                        + " and without checkpoints.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep profile throughput                      everything, about ten minutes",
            "  lockstep profile throughput --only '4k qd16 x1'  some cells",
            "  lockstep profile throughput --short              one round of 0.3 s, in a minute",
            "  lockstep profile throughput --state fresh --only 'write 4k'",
            "                                                   each on a pair that has just been"
                    + " set up",
            "",
            "The load is fio's (package fio), at random offsets."
        })
public final class ThroughputProfile implements Callable<Integer> {
    private static final int MEBIBYTE = 1 << 20;
    private static final double SHORT_SECONDS = 0.3;
    private static final double WARM_UP_SECONDS = 1;

    @Spec private CommandSpec spec;

    @Mixin private final PairOptions options = new PairOptions(1, SHORT_SECONDS);

    @Mixin private final StateOptions images = new StateOptions();

    @Option(
            names = "--only",
            defaultValue = "",
            description = "Only cells whose name contains this.")
    private String only;

    @Option(names = "--tcp", description = "Link the pair over TCP, not over a Unix socket.")
    private boolean tcp;

    /** A kind of load; {@code readPercent} of its requests are reads. */
    private record Load(int blockLength, int depth, int connections, int readPercent) {
        static List<Load> all() {
            final List<Load> loads = new ArrayList<>();
            for (final int readPercent : new int[] {0, 70, 100}) {
                for (final int connections : new int[] {1, 4}) {
                    loads.add(new Load(4 << 10, 1, connections, readPercent));
                    loads.add(new Load(4 << 10, 16, connections, readPercent));
                    loads.add(new Load(64 << 10, 16, connections, readPercent));
                    loads.add(new Load(MEBIBYTE, 4, connections, readPercent));
                }
            }
            return loads;
        }

        String pattern() {
            return readPercent == 0 ? "randwrite" : readPercent == 100 ? "randread" : "randrw";
        }

        @Override
        public String toString() {
            final String mix =
                    readPercent == 0
                            ? "write"
                            : readPercent == 100 ? "read" : readPercent + "% read";
            return mix + " " + Cell.lengthName(blockLength) + " qd" + depth + " x" + connections;
        }
    }

    /** One measurement: what the client saw, the largest lag, and each side's cost of a request. */
    private record Result(
            Measurement client,
            double lagMebibytes,
            double lagMillis,
            double primaryMicros,
            double secondaryMicros) {}

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (!ChildProcess.isOnPath("fio")) {
            spec.commandLine().getErr().println("there is no fio here (package fio)");
            return 1;
        }
        final Report report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep profile throughput"
                                + (tcp ? " --tcp" : "")
                                + images.arguments()
                                + (options.isShort() ? " --short" : ""));
        report.paragraph(
                String.format(
                        Locale.ROOT,
                        "Of %s. Medians of the rounds (%d, of %.1f s), the smallest and the largest"
                            + " in parentheses; a write counts when the secondary has it, too.%s",
                        images.sentence("pair", images.disks()),
                        options.rounds(),
                        options.seconds(),
                        images.isFresh() ? " " + images.disks().pageCache() : ""));
        final MarkdownTable ratios =
                new MarkdownTable("load", "requests/s with checkpoints / without");
        final MarkdownTable figures =
                new MarkdownTable(
                        "load",
                        "checkpoints",
                        "requests/s",
                        "MiB/s",
                        "p50 µs",
                        "p99 µs",
                        "p99.9 µs",
                        "lag MiB",
                        "lag ms",
                        "primary µs",
                        "secondary µs");
        if (images.isFresh()) {
            run(this::measureFresh, ratios, figures, report);
        } else {
            try (PairFolders folders = PairFolders.in(images.disks().directory());
                    LockstepPair pair = start(folders);
                    LagWatch lag = LagWatch.of(pair)) {
                warmUp(pair, report);
                run(
                        (load, perSecond, seed) -> measure(pair, lag, load, perSecond, seed),
                        ratios,
                        figures,
                        report);
            }
        }
        report.table(ratios);
        report.table(figures);
        report.write(options.markdown());
        return 0;
    }

    private FioJob job(
            final LockstepPair pair, final Load load, final double length, final long seed) {
        return new FioJob(
                pair.guestUri(),
                load.pattern(),
                load.readPercent(),
                load.blockLength(),
                load.depth(),
                load.connections(),
                options.diskLength(),
                0,
                length,
                seed,
                images.flushEvery());
    }

    /** One measurement, on whatever pair. */
    private interface Measure {
        Result of(Load load, double checkpointsPerSecond, long seed)
                throws IOException, InterruptedException;
    }

    private LockstepPair start(final PairFolders folders) throws IOException, InterruptedException {
        return LockstepPair.start(
                folders,
                LockstepPair.Shape.ofOneDisk(
                        !tcp, options.diskLength(), images.disks().isSparse()));
    }

    private void warmUp(final LockstepPair pair, final Report report)
            throws IOException, InterruptedException {
        report.progress("warming up");
        for (final Load load : Load.all()) {
            if (load.connections() == 1) {
                job(pair, load, options.isShort() ? SHORT_SECONDS : WARM_UP_SECONDS, 0).run();
            }
        }
    }

    private void run(
            final Measure measure,
            final MarkdownTable ratios,
            final MarkdownTable figures,
            final Report report)
            throws IOException, InterruptedException {
        final double perSecond = options.checkpointsPerSecond();
        for (final Load load : Load.all()) {
            if (!load.toString().contains(only)) {
                continue;
            }
            final List<Result> quiet = new ArrayList<>();
            final List<Result> busy = new ArrayList<>();
            for (int round = 1; round <= options.rounds(); round++) {
                report.progress(load + ", round " + round);
                quiet.add(measure.of(load, 0, round));
                busy.add(measure.of(load, perSecond, round));
            }
            final ToDoubleFunction<Result> rate = result -> result.client().requestsPerSecond();
            ratios.row(load, rounds(busy, rate).over(rounds(quiet, rate)).spread("%.2f"));
            addRow(figures, load, "none", quiet);
            addRow(figures, load, String.format(Locale.ROOT, "%.0f/s", perSecond), busy);
        }
    }

    private Result measureFresh(final Load load, final double perSecond, final long seed)
            throws IOException, InterruptedException {
        try (PairFolders folders = PairFolders.in(images.disks().directory());
                LockstepPair pair = start(folders);
                LagWatch lag = LagWatch.of(pair)) {
            return measure(pair, lag, load, perSecond, seed);
        }
    }

    private Result measure(
            final LockstepPair pair,
            final LagWatch lag,
            final Load load,
            final double perSecond,
            final long seed)
            throws IOException, InterruptedException {
        pair.drain();
        pair.checkpoint();
        final double primary = pair.primary().threadMicros();
        final double secondary = pair.secondary().threadMicros();
        lag.begin();
        final Measurement client;
        try (CheckpointTicker ticker = CheckpointTicker.start(pair, null, perSecond)) {
            client = job(pair, load, options.seconds(), seed).run();
            ticker.end();
        }
        final LagWatch.Lag largest = lag.end();
        final long end = System.nanoTime();
        pair.drain();
        final double seconds = options.seconds();
        final double requests = client.requestsPerSecond() * seconds;
        final double share = seconds / (seconds + (System.nanoTime() - end) / 1e9);
        return new Result(
                load.readPercent() == 100 ? client : client.scaled(share),
                (double) largest.bytes() / MEBIBYTE,
                largest.nanos() / 1e6,
                (pair.primary().threadMicros() - primary) / requests,
                (pair.secondary().threadMicros() - secondary) / requests);
    }

    private static void addRow(
            final MarkdownTable table,
            final Load load,
            final String checkpoints,
            final List<Result> results) {
        table.row(
                load,
                checkpoints,
                rounds(results, result -> result.client().requestsPerSecond()).spread("%.0f"),
                median(results, result -> result.client().mebibytesPerSecond(), "%.0f"),
                median(results, result -> result.client().p50Micros(), "%.0f"),
                median(results, result -> result.client().p99Micros(), "%.0f"),
                median(results, result -> result.client().p999Micros(), "%.0f"),
                median(results, Result::lagMebibytes, "%.1f"),
                median(results, Result::lagMillis, "%.1f"),
                median(results, Result::primaryMicros, "%.1f"),
                median(results, Result::secondaryMicros, "%.1f"));
    }

    private static String median(
            final List<Result> results,
            final ToDoubleFunction<Result> figure,
            final String format) {
        return String.format(Locale.ROOT, format, rounds(results, figure).median());
    }

    private static Rounds rounds(
            final List<Result> results, final ToDoubleFunction<Result> figure) {
        return new Rounds(results.stream().mapToDouble(figure).boxed().toList());
    }
}
