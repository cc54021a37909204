package io.lockstep.bench.compare;

import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.ImageOptions;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.PairOptions;
import io.lockstep.bench.report.Rounds;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;

/**
 * Replicated writes on pairs that have just been set up: each measurement has one of its own, whose
 * processes have done nothing before, and ends with the checkpoint that a manager orders right
 * behind the load. Ratios are taken round by round, against QEMU over the same link.
 */
final class FreshWrites {
    private final List<ReplicationPair.Kind> kinds;
    private final PairOptions options;
    private final ImageOptions images;
    private final Consumer<String> progress;

    /**
     * What one pair did.
     *
     * @param writes as many as the secondary has, too, and processor time of both sides a write
     * @param checkpointMillis from the manager's command to its answer
     */
    private record Outcome(Measurement writes, double checkpointMillis) {}

    FreshWrites(
            final List<ReplicationPair.Kind> kinds,
            final PairOptions options,
            final ImageOptions images,
            final Consumer<String> progress) {
        this.kinds = kinds;
        this.options = options;
        this.images = images;
        this.progress = progress;
    }

    /** Measures all loads; answers the table. */
    String compare() throws IOException, InterruptedException {
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
        for (final WriteLoad load : WriteLoad.ALL) {
            final Map<ReplicationPair.Kind, List<Outcome>> outcomes =
                    new EnumMap<>(ReplicationPair.Kind.class);
            for (int round = 0; round < options.rounds(); round++) {
                progress.accept(load.name() + ", round " + (round + 1) + " of " + options.rounds());
                for (final ReplicationPair.Kind kind : kinds) {
                    outcomes.computeIfAbsent(kind, key -> new ArrayList<>())
                            .add(measure(kind, load, round));
                }
            }
            outcomes.forEach((kind, list) -> addRow(table, load, kind, list, outcomes));
        }
        return table.toString();
    }

    private Outcome measure(final ReplicationPair.Kind kind, final WriteLoad load, final int round)
            throws IOException, InterruptedException {
        try (MemoryFolder memory = new MemoryFolder();
                MemoryFolder disks = MemoryFolder.in(images.directory());
                ReplicationPair pair =
                        kind.start(
                                disks.path(),
                                memory.path().resolve("buffers"),
                                options.diskLength(),
                                images.isSparse())) {
            final double cpuBefore = pair.cpuMicros();
            final Measurement guest =
                    load.run(
                            pair,
                            options.diskLength(),
                            0,
                            options.seconds(),
                            round + 1L,
                            images.flushEvery());
            final long end = System.nanoTime();
            pair.checkpoint(); // which the secondary has everything for
            final double checkpoint = (System.nanoTime() - end) / 1e9;
            final double writes = guest.requestsPerSecond() * options.seconds();
            final double cpu = (pair.cpuMicros() - cpuBefore) / writes;
            final double share = options.seconds() / (options.seconds() + checkpoint);
            return new Outcome(guest.scaled(share).withCpu(cpu), checkpoint * 1e3);
        }
    }

    private static void addRow(
            final MarkdownTable table,
            final WriteLoad load,
            final ReplicationPair.Kind kind,
            final List<Outcome> ours,
            final Map<ReplicationPair.Kind, List<Outcome>> all) {
        final List<Outcome> theirs = all.get(kind.peer());
        table.row(
                load.name(),
                kind.title(),
                spread(ours, writes(Measurement::requestsPerSecond), "%.0f"),
                ratio(ours, theirs, kind, Measurement::requestsPerSecond),
                spread(ours, outcome -> outcome.writes().p99Micros() / 1e3, "%.1f"),
                ratio(ours, theirs, kind, Measurement::p99Micros),
                spread(ours, Outcome::checkpointMillis, "%.1f"),
                spread(ours, writes(Measurement::cpuMicros), "%.0f"),
                ratio(ours, theirs, kind, Measurement::cpuMicros));
    }

    private static ToDoubleFunction<Outcome> writes(final ToDoubleFunction<Measurement> figure) {
        return outcome -> figure.applyAsDouble(outcome.writes());
    }

    private static String ratio(
            final List<Outcome> ours,
            final List<Outcome> theirs,
            final ReplicationPair.Kind kind,
            final ToDoubleFunction<Measurement> figure) {
        return kind.isOurs() && theirs != null
                ? rounds(ours, writes(figure)).over(rounds(theirs, writes(figure))).spread("%.2f")
                : "";
    }

    private static String spread(
            final List<Outcome> outcomes,
            final ToDoubleFunction<Outcome> figure,
            final String format) {
        return rounds(outcomes, figure).spread(format);
    }

    private static Rounds rounds(
            final List<Outcome> outcomes, final ToDoubleFunction<Outcome> figure) {
        return new Rounds(outcomes.stream().mapToDouble(figure).boxed().toList());
    }

    /** What it is a table of. */
    String heading() {
        return String.format(
                Locale.ROOT,
                "Replicated writes for %.1f s, %s",
                options.seconds(),
                images.sentence());
    }
}
