package io.lockstep.bench.profile;

import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.report.DiskImages;
import io.lockstep.bench.report.Machine;
import io.lockstep.bench.report.MarkdownTable;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;

/**
 * {@code lockstep profile checkpoint}: what checkpoints cost, and whom. A guest writes at a steady
 * rate to a pair of processes, in rounds: without checkpoints, and with.
 */
@Command(
        name = "checkpoint",
        description =
                "Puts a load on a pair of processes, checkpoints it at a rate, and shows how long"
                        + " commits, checkpoints and the guest's writes take.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep profile checkpoint                           a minute; see --output",
            "  lockstep profile checkpoint --rate 20000 --checkpoints-per-second 100",
            "  lockstep profile checkpoint --short                   one round, in ten seconds",
            "  lockstep profile checkpoint --state fresh --on /srv   each guest on a pair just set"
                    + " up",
            "",
            "It leaves index.html, a page that needs no network, and .hlog files for HdrHistogram's"
                    + " tools.",
            "Latencies count from when a write or a checkpoint was due: no coordinated omission."
        })
public final class CheckpointProfile implements Callable<Integer> {
    private static final double WARM_UP_SECONDS = 3;

    @Spec private CommandSpec spec;

    @Mixin private final PairOptions options = new PairOptions(8, 2);

    @Mixin private final StateOptions images = new StateOptions();

    @Option(
            names = "--rate",
            defaultValue = "5000",
            description = "Writes of 4 KiB a second that fall due (default: ${DEFAULT-VALUE}).")
    private double rate;

    @Option(names = "--tcp", description = "Link the pair over TCP, not over a Unix socket.")
    private boolean tcp;

    @Option(
            names = "--output",
            paramLabel = "DIR",
            defaultValue = "checkpoint-profile",
            description = "Where page and histograms go (default: ./${DEFAULT-VALUE}).")
    private Path output;

    @Override
    public Integer call() throws IOException, InterruptedException {
        Files.createDirectories(output);
        final Report report =
                new Report(
                        spec.commandLine().getOut(),
                        String.format(
                                Locale.ROOT,
                                "lockstep profile checkpoint --rate %.0f --checkpoints-per-second"
                                        + " %.0f --seconds %.0f --rounds %d%s%s",
                                rate,
                                options.checkpointsPerSecond(),
                                options.seconds(),
                                options.rounds(),
                                tcp ? " --tcp" : "",
                                images.arguments()));
        final List<CheckpointRound> done = new ArrayList<>();
        report.paragraph("Of " + images.sentence("pair", images.disks()) + ".");
        if (images.isFresh()) {
            report.paragraph(images.disks().pageCache());
            // Our own guest's code must not run for the first time when a pair's is timed.
            round(this::useFresh, 1, 0).run(report, "warming up the guest");
            run(this::useFresh, report, done);
        } else {
            useFresh(
                    pair -> {
                        report.progress("warming up");
                        pair.warmUpCheckpoints();
                        final double seconds = options.isShort() ? 1 : WARM_UP_SECONDS;
                        final CheckpointRound.Pairs same = use -> use.of(pair);
                        round(same, seconds, 0).run(report, "warming up");
                        run(same, report, done);
                    });
        }
        show(report, done);
        final ProfilePage page = new ProfilePage(Machine.description(), settings());
        done.forEach(page::add);
        page.write(output.resolve("index.html"));
        writeLogs(done);
        spec.commandLine().getOut().println("page and histograms: " + output.resolve("index.html"));
        report.write(options.markdown());
        return 0;
    }

    private void run(
            final CheckpointRound.Pairs pairs,
            final Report report,
            final List<CheckpointRound> done)
            throws IOException, InterruptedException {
        for (int i = 1; i <= options.rounds(); i++) {
            final CheckpointRound round = round(pairs, options.seconds(), i);
            round.run(report, "round " + i + " of " + options.rounds());
            done.add(round);
        }
    }

    /** Sets a pair up for one use. */
    private void useFresh(final CheckpointRound.Pairs.Use use)
            throws IOException, InterruptedException {
        final DiskImages disks = images.disks();
        try (PairFolders folders = PairFolders.in(disks.directory());
                LockstepPair pair =
                        LockstepPair.start(
                                folders,
                                LockstepPair.Shape.ofOneDisk(
                                        !tcp, options.diskLength(), disks.isSparse()))) {
            use.of(pair);
        }
    }

    private CheckpointRound round(
            final CheckpointRound.Pairs pairs, final double length, final long seed) {
        return new CheckpointRound(
                pairs,
                new CheckpointRound.Load(
                        rate,
                        options.checkpointsPerSecond(),
                        images.flushEvery(),
                        length,
                        options.diskLength(),
                        seed));
    }

    private String settings() {
        return String.format(
                Locale.ROOT,
                "%.0f writes of 4 KiB a second, %.0f checkpoints a second; disk of %d MiB; link"
                        + " over %s; rounds: %d",
                rate,
                options.checkpointsPerSecond(),
                options.diskMebibytes(),
                tcp ? "TCP" : "a Unix socket",
                options.rounds());
    }

    private static void show(final Report report, final List<CheckpointRound> done) {
        report.paragraph(
                "The guest's p99 with checkpoints is "
                        + rounds(done, CheckpointRound::p99Ratio).spread("%.2f")
                        + " times that without. Medians of the rounds, the smallest and the"
                        + " largest in parentheses; microseconds.");
        final MarkdownTable table =
                new MarkdownTable("what", "count", "p50", "p99", "p99.9", "max");
        for (int i = 0; i < done.getFirst().series().size(); i++) {
            final int index = i;
            final ToDoubleFunction<CheckpointRound> count =
                    round -> round.series().get(index).count();
            table.row(
                    done.getFirst().series().get(i).title(),
                    String.format(Locale.ROOT, "%.0f", rounds(done, count).sum()),
                    percentile(done, i, 50),
                    percentile(done, i, 99),
                    percentile(done, i, 99.9),
                    rounds(done, round -> round.series().get(index).maxMicros()).spread("%.1f"));
        }
        report.table(table);
    }

    private static String percentile(
            final List<CheckpointRound> done, final int series, final double percentile) {
        return rounds(done, round -> round.series().get(series).micros(percentile)).spread("%.1f");
    }

    private static Rounds rounds(
            final List<CheckpointRound> done, final ToDoubleFunction<CheckpointRound> figure) {
        return new Rounds(done.stream().mapToDouble(figure).boxed().toList());
    }

    private void writeLogs(final List<CheckpointRound> done) throws IOException {
        for (int i = 0; i < done.getFirst().series().size(); i++) {
            final ProfileSeries first = done.getFirst().series().get(i);
            final ProfileSeries all = new ProfileSeries(first.key(), first.title());
            for (final CheckpointRound round : done) {
                round.series().get(i).intervals().forEach(all::add);
            }
            all.write(output);
        }
    }
}
