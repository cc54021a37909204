package io.lockstep.bench.compare;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.peer.ReplicationPair;
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
 * Checkpoints while a guest writes as fast as it can, all through them: how long each takes, and
 * what the guest has left beside the same without checkpoints. A pair whose guest must not write
 * meanwhile has it paused, which counts against the guest, and against the checkpoint.
 */
final class SaturatedWrites {
    private static final double WARM_UP_SECONDS = 2;
    private static final double P99 = 0.99;

    private final List<ReplicationPair.Kind> kinds;
    private final PairOptions options;
    private final Consumer<String> progress;

    /**
     * For some pairs.
     *
     * @param progress is told what is measured
     */
    SaturatedWrites(
            final List<ReplicationPair.Kind> kinds,
            final PairOptions options,
            final Consumer<String> progress) {
        this.kinds = kinds;
        this.options = options;
        this.progress = progress;
    }

    /** The rounds of a load on all pairs. */
    private static final class Results {
        private final Map<ReplicationPair.Kind, List<Outcome>> all =
                new EnumMap<>(ReplicationPair.Kind.class);

        void add(final ReplicationPair.Kind kind, final Outcome outcome) {
            all.computeIfAbsent(kind, key -> new ArrayList<>()).add(outcome);
        }

        List<Outcome> of(final ReplicationPair.Kind kind) {
            return all.get(kind);
        }
    }

    /** Measures loads; answers the table. */
    String compare(final PairSource pairs, final List<WriteLoad> loads)
            throws IOException, InterruptedException {
        final MarkdownTable table =
                new MarkdownTable(
                        "load",
                        "pair",
                        "checkpoints/s",
                        "writes/s",
                        "times QEMU",
                        "times without",
                        "guest's p99, ms",
                        "of QEMU's",
                        "checkpoint, ms",
                        "its p99, ms",
                        "CPU a write, µs");
        if (!loads.isEmpty()) {
            warmUp(pairs, loads.getFirst());
        }
        for (final WriteLoad load : loads) {
            final Results quiet = new Results();
            final Results busy = new Results();
            for (int round = 0; round < options.rounds(); round++) {
                progress.accept(load.name() + ", round " + (round + 1) + " of " + options.rounds());
                for (final ReplicationPair.Kind kind : ReplicationPair.Kind.turn(kinds, round)) {
                    quiet.add(kind, measure(pairs, kind, load, 0, round + 1L));
                    if (options.checkpointsPerSecond() > 0) {
                        final double perSecond = options.checkpointsPerSecond();
                        busy.add(kind, measure(pairs, kind, load, perSecond, round + 1L));
                    }
                }
            }
            for (final ReplicationPair.Kind kind : kinds) {
                addRow(table, load, kind, quiet, null);
                if (options.checkpointsPerSecond() > 0) {
                    addRow(table, load, kind, busy, quiet);
                }
            }
        }
        return table.toString();
    }

    /** Our own guest's code must not run for the first time when a pair's is timed. */
    private void warmUp(final PairSource pairs, final WriteLoad load)
            throws IOException, InterruptedException {
        progress.accept("warming up the guest");
        final double seconds = options.isShort() ? options.seconds() : WARM_UP_SECONDS;
        pairs.measure(kinds.getFirst(), pair -> write(pair, load, 0, seconds, 0));
    }

    private Outcome measure(
            final PairSource pairs,
            final ReplicationPair.Kind kind,
            final WriteLoad load,
            final double perSecond,
            final long seed)
            throws IOException, InterruptedException {
        return pairs.measure(kind, pair -> write(pair, load, perSecond, options.seconds(), seed));
    }

    private Outcome write(
            final ReplicationPair pair,
            final WriteLoad load,
            final double perSecond,
            final double seconds,
            final long seed)
            throws IOException, InterruptedException {
        final double cpuBefore = pair.cpuMicros();
        try (EagerGuest guest = load.guest(options.diskLength(), seconds, seed);
                CheckpointTicker ticker = CheckpointTicker.start(pair, guest, perSecond)) {
            final Measurement measured = guest.run(pair.guestUri());
            final long end = System.nanoTime();
            final List<CheckpointTicker.Checkpoint> made = ticker.end();
            pair.drain();
            final double drained = (System.nanoTime() - end) / 1e9;
            final double cpu = (pair.cpuMicros() - cpuBefore) / guest.requests();
            pair.checkpoint(); // outside of the time: it is for whoever comes next
            return new Outcome(
                    measured.scaled(guest.seconds() / (guest.seconds() + drained)).withCpu(cpu),
                    made.stream().map(checkpoint -> checkpoint.orderedNanos() / 1e6).toList(),
                    made.size() / guest.seconds());
        }
    }

    private static void addRow(
            final MarkdownTable table,
            final WriteLoad load,
            final ReplicationPair.Kind kind,
            final Results results,
            final Results without) {
        final List<Outcome> ours = results.of(kind);
        final List<Outcome> theirs = results.of(kind.peer());
        final List<Double> checkpoints =
                ours.stream()
                        .flatMap(outcome -> outcome.checkpointMillis().stream())
                        .sorted()
                        .toList();
        table.row(
                load.name(),
                kind.title(),
                without == null
                        ? "none"
                        : Outcome.spread(ours, Outcome::checkpointsPerSecond, "%.1f"),
                Outcome.spread(ours, Outcome.of(Measurement::requestsPerSecond), "%.0f"),
                Outcome.ratio(kind, ours, theirs, Measurement::requestsPerSecond),
                without == null
                        ? ""
                        : Outcome.over(ours, without.of(kind), Measurement::requestsPerSecond),
                Outcome.spread(ours, outcome -> outcome.writes().p99Micros() / 1e3, "%.1f"),
                Outcome.ratio(kind, ours, theirs, Measurement::p99Micros),
                percentile(checkpoints, 0.5),
                percentile(checkpoints, P99),
                Outcome.spread(ours, Outcome.of(Measurement::cpuMicros), "%.0f"));
    }

    /** Of all rounds together. */
    private static String percentile(final List<Double> sorted, final double share) {
        return sorted.isEmpty()
                ? ""
                : String.format(
                        Locale.ROOT,
                        "%.1f",
                        sorted.get((int) Math.min(sorted.size() * share, sorted.size() - 1)));
    }
}
