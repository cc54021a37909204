package io.lockstep.bench.profile;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.load.RateSteps;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.report.ImageOptions;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.Rounds;
import io.lockstep.bench.report.TimedRoundOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * {@code lockstep profile warmup}: how long a node that has just become what it is takes to the
 * rate that it has later. Each measurement has a pair of its own.
 */
@Command(
        name = "warmup",
        description =
                "Shows, step by step from a node's ready line, how many writes a second its guest"
                        + " has done, and when it does nine tenths of what it does later.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep profile warmup                      three rounds, three minutes",
            "  lockstep profile warmup --images sparse --on /srv",
            "  lockstep profile warmup --short              one round of 3 s",
            "",
            "The guest writes 4 KiB at random, 16 in flight."
        })
public final class WarmUpProfile implements Callable<Integer> {
    private static final long DISK_LENGTH = 1L << 30;
    private static final long SHORT_DISK_LENGTH = 256L << 20;
    private static final int DEPTH = 16;
    private static final int STEPS_A_SECOND = 10;
    private static final long STEP_NANOS = 1_000_000_000 / STEPS_A_SECOND;

    /** Of a step alone too much is chance. */
    private static final int WINDOW_STEPS = 5;

    private static final double SHARE = 0.9;

    /** In which the table has every step; behind, it has seconds. */
    private static final int SECONDS_IN_STEPS = 3;

    /** Of the time: the later rate is that of its last third. */
    private static final int PARTS = 3;

    private static final double WARM_UP_SECONDS = 5;

    @Spec private CommandSpec spec;

    @Mixin private final TimedRoundOptions options = new TimedRoundOptions(12, 3);

    @Mixin private final ImageOptions images = new ImageOptions();

    @Option(
            names = "--checkpoints-per-second",
            paramLabel = "RATE",
            defaultValue = "10",
            description =
                    "Of a primary and a secondary (default: ${DEFAULT-VALUE}). Without them the"
                            + " later writes are other work: of blocks whose pre-images are there.")
    private double checkpointsPerSecond;

    /** Whose guest writes. */
    private enum Node {
        PRIMARY("primary"),
        SECONDARY("secondary"),
        PROMOTED("promoted");

        private final String title;

        Node(final String title) {
            this.title = title;
        }
    }

    /**
     * What a guest came to.
     *
     * @param perSecond writes, in each step
     */
    private record Run(List<Double> perSecond) {
        /** The median of the steps in the last part of the time. */
        double later() {
            final int from = perSecond.size() - perSecond.size() / PARTS;
            return new Rounds(perSecond.subList(from, perSecond.size())).median();
        }

        /** When the first half second began in which it did its share of the later rate. */
        double reachedSeconds() {
            final double bar = SHARE * later();
            int first = 0;
            while (first + WINDOW_STEPS < perSecond.size()
                    && mean(first, first + WINDOW_STEPS) < bar) {
                first++;
            }
            return (double) first / STEPS_A_SECOND;
        }

        double mean(final int from, final int to) {
            return new Rounds(perSecond.subList(from, to)).sum() / (to - from);
        }
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        final Report report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep profile warmup"
                                + images.arguments()
                                + (options.isShort() ? " --short" : ""));
        report.paragraph(
                String.format(
                        Locale.ROOT,
                        "Of %s. %s Writes of 4 KiB at random, %d in flight, as the guest has them"
                            + " answered; medians of the rounds (%d, of %.0f s), the smallest and"
                            + " the largest in parentheses. The time of a primary, and of a"
                            + " secondary (whose guest writes to its active disk), begins with its"
                            + " ready line, and the guest writes when both are linked; that of a"
                            + " promoted node begins with the answer to the failover. The others"
                            + " have %.0f checkpoints a second: without them ever fewer writes"
                            + " would need a pre-image. The later rate is the median of the last"
                            + " %.0f s; nine tenths of it are reached when the first half second"
                            + " begins that has them.",
                        images.sentence("fresh pairs", images.disks()),
                        images.disks().pageCache(),
                        DEPTH,
                        options.rounds(),
                        options.seconds(),
                        checkpointsPerSecond,
                        options.seconds() / PARTS));
        final Map<Node, List<Run>> runs = new EnumMap<>(Node.class);
        // Our own guest's code must not run for the first time when a pair's is timed.
        report.progress("warming up the guest");
        measure(Node.PRIMARY, Math.min(WARM_UP_SECONDS, options.seconds()), 0);
        for (int round = 1; round <= options.rounds(); round++) {
            final List<Node> nodes = new ArrayList<>(List.of(Node.values()));
            Collections.rotate(nodes, 1 - round);
            for (final Node node : nodes) {
                report.progress(node.title + ", round " + round + " of " + options.rounds());
                runs.computeIfAbsent(node, key -> new ArrayList<>())
                        .add(measure(node, options.seconds(), round));
            }
        }
        report.table(summary(runs));
        report.table(timeLine(runs));
        report.write(options.markdown());
        return 0;
    }

    private long diskLength() {
        return options.isShort() ? SHORT_DISK_LENGTH : DISK_LENGTH;
    }

    private Run measure(final Node node, final double seconds, final long seed)
            throws IOException, InterruptedException {
        try (PairFolders folders = PairFolders.in(images.disks().directory());
                LockstepPair pair =
                        LockstepPair.start(
                                folders,
                                LockstepPair.Shape.ofOneDisk(
                                        true, diskLength(), images.disks().isSparse()))) {
            final long begin =
                    switch (node) {
                        case PRIMARY -> pair.primaryReadyNanos();
                        case SECONDARY -> pair.secondaryReadyNanos();
                        case PROMOTED -> promote(pair);
                    };
            final RateSteps steps =
                    new RateSteps(begin, STEP_NANOS, (int) (seconds * STEPS_A_SECOND));
            final double left = seconds - (System.nanoTime() - begin) / 1e9;
            final EagerGuest.Work work =
                    new EagerGuest.Work(true, true, 4 << 10, DEPTH, 1, images.flushEvery());
            final double rate = node == Node.PROMOTED ? 0 : checkpointsPerSecond;
            try (EagerGuest guest = EagerGuest.forSeconds(work, diskLength(), left, seed);
                    CheckpointTicker ticker = CheckpointTicker.start(pair, guest, rate)) {
                guest.countInto(steps)
                        .run(node == Node.PRIMARY ? pair.guestUri() : pair.secondaryGuestUri());
                ticker.end();
            }
            return new Run(steps.perSecond());
        }
    }

    /** A standby that was at rest takes over; answers when it said so. */
    private static long promote(final LockstepPair pair) throws IOException, InterruptedException {
        pair.awaitStandby();
        pair.killPrimary();
        pair.failOver();
        return System.nanoTime();
    }

    private static MarkdownTable summary(final Map<Node, List<Run>> runs) {
        final MarkdownTable table =
                new MarkdownTable(
                        "node", "90 % after, s", "later, writes/s", "first second", "second one");
        runs.forEach(
                (node, list) ->
                        table.row(
                                node.title,
                                rounds(list, Run::reachedSeconds).spread("%.1f"),
                                rounds(list, Run::later).spread("%.0f"),
                                mean(list, 0, STEPS_A_SECOND),
                                mean(list, STEPS_A_SECOND, 2 * STEPS_A_SECOND)));
        return table;
    }

    private static MarkdownTable timeLine(final Map<Node, List<Run>> runs) {
        final List<String> header = new ArrayList<>(List.of("from, s"));
        runs.keySet().forEach(node -> header.add(node.title + ", writes/s"));
        final MarkdownTable table = new MarkdownTable(header.toArray(String[]::new));
        final int steps = runs.values().iterator().next().getFirst().perSecond().size();
        final int inSteps = Math.min(SECONDS_IN_STEPS * STEPS_A_SECOND, steps);
        IntStream.range(0, inSteps).forEach(step -> addTime(table, runs, step, step + 1));
        for (int step = inSteps; step + STEPS_A_SECOND <= steps; step += STEPS_A_SECOND) {
            addTime(table, runs, step, step + STEPS_A_SECOND);
        }
        return table;
    }

    private static void addTime(
            final MarkdownTable table,
            final Map<Node, List<Run>> runs,
            final int from,
            final int to) {
        final List<Object> row = new ArrayList<>();
        row.add(String.format(Locale.ROOT, "%.1f", (double) from / STEPS_A_SECOND));
        runs.values().forEach(list -> row.add(mean(list, from, to)));
        table.row(row.toArray());
    }

    private static String mean(final List<Run> runs, final int from, final int to) {
        return rounds(runs, run -> run.mean(from, to)).spread("%.0f");
    }

    private static Rounds rounds(final List<Run> runs, final ToDoubleFunction<Run> figure) {
        return new Rounds(runs.stream().mapToDouble(figure).boxed().toList());
    }
}
