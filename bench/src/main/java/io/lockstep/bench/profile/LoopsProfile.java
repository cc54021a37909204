package io.lockstep.bench.profile;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.FioJob;
import io.lockstep.bench.peer.ChildProcess;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.report.ImageOptions;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.PairOptions;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.Rounds;

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
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.ToDoubleFunction;

/**
 * {@code lockstep profile loops}: two disks of a group that are written at a time, with a loop for
 * each on either side, and with one for both. See docs/loops.md.
 */
@Command(
        name = "loops",
        description =
                "Measures a group of several disks, with a loop a disk on either side and with one"
                        + " for all.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep profile loops             two disks, three rounds",
            "  lockstep profile loops --disks 4   four of them",
            "  lockstep profile loops --short     one round of 0.3 s",
            "",
            "The load is fio's (package fio), one a disk, at random offsets. Disks are a quarter"
                    + " as",
            "long as --disk-length, since there are two pairs."
        })
public final class LoopsProfile implements Callable<Integer> {
    private static final int SHARE = 4;
    private static final int MEBIBYTE = 1 << 20;
    private static final double SHORT_SECONDS = 0.3;
    private static final double WARM_UP_SECONDS = 2;

    @Spec private CommandSpec spec;

    @Mixin private final PairOptions options = new PairOptions(2, SHORT_SECONDS);

    @Mixin private final ImageOptions images = new ImageOptions();

    @Option(
            names = "--disks",
            defaultValue = "2",
            description = "How many disks the group has (default: ${DEFAULT-VALUE}).")
    private int disks;

    @Option(names = "--tcp", description = "Link the pairs over TCP, not over a Unix socket.")
    private boolean tcp;

    /** What each disk is written with. */
    private record Load(int blockLength, int depth) {
        static final List<Load> ALL =
                List.of(new Load(4 << 10, 16), new Load(64 << 10, 16), new Load(MEBIBYTE, 4));

        @Override
        public String toString() {
            return "write " + Cell.lengthName(blockLength) + " qd" + depth;
        }
    }

    /** What all disks together carried, and what a write cost each side. */
    private record Result(
            double requestsPerSecond,
            double p99Micros,
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
                        "lockstep profile loops --disks "
                                + disks
                                + (tcp ? " --tcp" : "")
                                + (options.isShort() ? " --short" : ""));
        report.paragraph(
                String.format(
                        Locale.ROOT,
                        "Of two pairs with %d disks each, all of them written at a time, with %.0f"
                                + " checkpoints a second. Medians of the rounds (%d, of %.1f s); a"
                                + " write counts when the secondary has it, too.",
                        disks,
                        options.checkpointsPerSecond(),
                        options.rounds(),
                        options.seconds()));
        final MarkdownTable table =
                new MarkdownTable(
                        "load",
                        "loops",
                        "writes/s",
                        "of one loop's",
                        "p99 µs",
                        "primary µs",
                        "secondary µs");
        try (PairFolders oneFolder = PairFolders.in(images.disks().directory());
                PairFolders manyFolder = PairFolders.in(images.disks().directory());
                LockstepPair one = LockstepPair.start(oneFolder, shape(1));
                LockstepPair many = LockstepPair.start(manyFolder, shape(disks));
                ExecutorService guests = Executors.newFixedThreadPool(disks)) {
            report.progress("warming up");
            for (final Load load : Load.ALL) {
                write(one, guests, load, warmUpSeconds(), 0);
                write(many, guests, load, warmUpSeconds(), 0);
            }
            for (final Load load : Load.ALL) {
                final List<Result> ofOne = new ArrayList<>();
                final List<Result> ofMany = new ArrayList<>();
                for (int round = 1; round <= options.rounds(); round++) {
                    report.progress(load + ", round " + round);
                    ofOne.add(measure(one, guests, load, round));
                    ofMany.add(measure(many, guests, load, round));
                }
                addRow(table, load, 1, ofOne, ofOne);
                addRow(table, load, disks, ofMany, ofOne);
            }
        }
        report.table(table);
        report.write(options.markdown());
        return 0;
    }

    private double warmUpSeconds() {
        return options.isShort() ? SHORT_SECONDS : WARM_UP_SECONDS;
    }

    private long diskLength() {
        return options.diskLength() / SHARE;
    }

    private LockstepPair.Shape shape(final int loops) {
        return LockstepPair.Shape.ofDisks(!tcp, disks, diskLength(), loops);
    }

    private Result measure(
            final LockstepPair pair, final ExecutorService guests, final Load load, final long seed)
            throws IOException, InterruptedException {
        pair.drain();
        pair.checkpoint();
        final double primary = pair.primary().threadMicros();
        final double secondary = pair.secondary().threadMicros();
        final List<Measurement> all;
        try (CheckpointTicker ticker =
                CheckpointTicker.start(pair, null, options.checkpointsPerSecond())) {
            all = write(pair, guests, load, options.seconds(), seed);
            ticker.end();
        }
        final long end = System.nanoTime();
        pair.drain();
        final double seconds = options.seconds();
        final double perSecond = all.stream().mapToDouble(Measurement::requestsPerSecond).sum();
        final double share = seconds / (seconds + (System.nanoTime() - end) / 1e9);
        return new Result(
                perSecond * share,
                all.stream().mapToDouble(Measurement::p99Micros).max().orElseThrow(),
                (pair.primary().threadMicros() - primary) / (perSecond * seconds),
                (pair.secondary().threadMicros() - secondary) / (perSecond * seconds));
    }

    /** Writes all disks of a pair at a time. */
    private List<Measurement> write(
            final LockstepPair pair,
            final ExecutorService guests,
            final Load load,
            final double seconds,
            final long seed)
            throws IOException, InterruptedException {
        final List<Future<Measurement>> running = new ArrayList<>();
        for (int disk = 0; disk < disks; disk++) {
            final FioJob job =
                    new FioJob(
                            pair.guestUri(disk),
                            "randwrite",
                            0,
                            load.blockLength(),
                            load.depth(),
                            1,
                            diskLength(),
                            0,
                            seconds,
                            seed * disks + disk,
                            0);
            running.add(guests.submit(job::run));
        }
        final List<Measurement> all = new ArrayList<>();
        for (final Future<Measurement> one : running) {
            try {
                all.add(one.get());
            } catch (final ExecutionException e) {
                throw new IOException(e.getCause().getMessage(), e);
            }
        }
        return all;
    }

    private static void addRow(
            final MarkdownTable table,
            final Load load,
            final int loops,
            final List<Result> results,
            final List<Result> ofOne) {
        final Rounds rates = rounds(results, Result::requestsPerSecond);
        table.row(
                load,
                loops,
                rates.spread("%.0f"),
                rates.over(rounds(ofOne, Result::requestsPerSecond)).spread("%.2f"),
                median(results, Result::p99Micros, "%.0f"),
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
