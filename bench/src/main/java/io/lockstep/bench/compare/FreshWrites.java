package io.lockstep.bench.compare;

import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.DiskImages;
import io.lockstep.bench.report.ImageOptions;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.PairOptions;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Replicated writes on pairs that have just been set up: each measurement has one of its own, whose
 * processes have done nothing before, and ends with the checkpoint that a manager orders right
 * behind the load. Ratios are taken round by round, against QEMU over the same link. Beside them
 * stands what the machine does at most ({@link BareCalls}).
 */
final class FreshWrites {
    private static final double FIRST_SECONDS = 1.5;
    private static final double SECONDS_BEFORE = 9;
    private static final double SECONDS_BEFORE_SHORT = 1;

    /** What is written before is written elsewhere. */
    private static final long SEEDS_BEFORE = 1000;

    private final List<ReplicationPair.Kind> kinds;
    private final PairOptions options;
    private final String only;
    private final Consumer<String> progress;

    /**
     * What is measured.
     *
     * @param name in the table
     * @param secondsBefore that the pair had the same load before
     */
    private record Case(String name, WriteLoad load, double secondsBefore, double seconds) {}

    /**
     * For some pairs.
     *
     * @param only what the names of the measured loads contain
     * @param progress is told what is measured
     */
    FreshWrites(
            final List<ReplicationPair.Kind> kinds,
            final PairOptions options,
            final String only,
            final Consumer<String> progress) {
        this.kinds = kinds;
        this.options = options;
        this.only = only;
        this.progress = progress;
    }

    private List<Case> cases(final ImageOptions images, final DiskImages disks) {
        final List<Case> cases = new ArrayList<>();
        for (final WriteLoad load : WriteLoad.all(images, disks)) {
            cases.add(new Case(load.name(), load, 0, options.seconds()));
            if (load.name().equals(WriteLoad.LONGEST.name())
                    && !disks.isSparse()
                    && disks.directory() == null) {
                if (options.seconds() > FIRST_SECONDS) {
                    cases.add(
                            new Case(
                                    load.name() + ", first " + FIRST_SECONDS + " s",
                                    load,
                                    0,
                                    FIRST_SECONDS));
                }
                final double before = options.isShort() ? SECONDS_BEFORE_SHORT : SECONDS_BEFORE;
                cases.add(
                        new Case(
                                String.format(Locale.ROOT, "%s, after %.0f s", load.name(), before),
                                load,
                                before,
                                options.seconds()));
            }
        }
        return cases.stream().filter(one -> one.name().contains(only)).toList();
    }

    /** Measures all loads on such disks; answers the table. */
    String compare(final ImageOptions images, final DiskImages disks)
            throws IOException, InterruptedException {
        final MarkdownTable table =
                new MarkdownTable(
                        "load",
                        "pair",
                        "writes/s",
                        "times QEMU",
                        "p99, ms",
                        "of QEMU's",
                        "checkpoint, ms",
                        "CPU a write, µs",
                        "of QEMU's");
        final PairSource pairs = PairSource.fresh(disks, options.diskLength());
        final BareCalls bare = new BareCalls(disks, options.diskLength());
        for (final Case one : cases(images, disks)) {
            final Map<ReplicationPair.Kind, List<Outcome>> outcomes =
                    new EnumMap<>(ReplicationPair.Kind.class);
            final List<Outcome> limit = new ArrayList<>();
            for (int round = 0; round < options.rounds(); round++) {
                progress.accept(one.name() + ", round " + (round + 1) + " of " + options.rounds());
                final long seed = round + 1L;
                for (final ReplicationPair.Kind kind : ReplicationPair.Kind.turn(kinds, round)) {
                    outcomes.computeIfAbsent(kind, key -> new ArrayList<>())
                            .add(pairs.measure(kind, pair -> measure(pair, one, seed)));
                }
                limit.add(bare.measure(one.load(), one.seconds(), seed));
            }
            outcomes.forEach((kind, list) -> addRow(table, one, kind, list, outcomes));
            addLimit(table, one, limit, outcomes.get(ReplicationPair.Kind.QEMU_UNIX));
        }
        return table.toString();
    }

    private Outcome measure(final ReplicationPair pair, final Case one, final long seed)
            throws IOException, InterruptedException {
        if (one.secondsBefore() > 0) {
            one.load().run(pair, options.diskLength(), 0, one.secondsBefore(), seed + SEEDS_BEFORE);
            pair.checkpoint();
        }
        final double cpuBefore = pair.cpuMicros();
        final Measurement guest =
                one.load().run(pair, options.diskLength(), 0, one.seconds(), seed);
        final long end = System.nanoTime();
        pair.checkpoint(); // which the secondary has everything for
        final double checkpoint = (System.nanoTime() - end) / 1e9;
        final double writes = guest.requestsPerSecond() * one.seconds();
        final double cpu = (pair.cpuMicros() - cpuBefore) / writes;
        final double share = one.seconds() / (one.seconds() + checkpoint);
        return new Outcome(
                guest.scaled(share).withCpu(cpu), List.of(checkpoint * 1e3), 1 / one.seconds());
    }

    /** What the machine can do at most. */
    private static void addLimit(
            final MarkdownTable table,
            final Case one,
            final List<Outcome> limit,
            final List<Outcome> theirs) {
        table.row(
                one.name(),
                "bare calls, Unix",
                Outcome.spread(limit, Outcome.of(Measurement::requestsPerSecond), "%.0f"),
                theirs == null ? "" : Outcome.over(limit, theirs, Measurement::requestsPerSecond),
                "",
                "",
                "",
                Outcome.spread(limit, Outcome.of(Measurement::cpuMicros), "%.0f"),
                theirs == null ? "" : Outcome.over(limit, theirs, Measurement::cpuMicros));
    }

    private static void addRow(
            final MarkdownTable table,
            final Case one,
            final ReplicationPair.Kind kind,
            final List<Outcome> ours,
            final Map<ReplicationPair.Kind, List<Outcome>> all) {
        final List<Outcome> theirs = all.get(kind.peer());
        table.row(
                one.name(),
                kind.title(),
                Outcome.spread(ours, Outcome.of(Measurement::requestsPerSecond), "%.0f"),
                Outcome.ratio(kind, ours, theirs, Measurement::requestsPerSecond),
                Outcome.spread(ours, outcome -> outcome.writes().p99Micros() / 1e3, "%.1f"),
                Outcome.ratio(kind, ours, theirs, Measurement::p99Micros),
                Outcome.spread(ours, outcome -> outcome.checkpointMillis().getFirst(), "%.1f"),
                Outcome.spread(ours, Outcome.of(Measurement::cpuMicros), "%.0f"),
                Outcome.ratio(kind, ours, theirs, Measurement::cpuMicros));
    }
}
