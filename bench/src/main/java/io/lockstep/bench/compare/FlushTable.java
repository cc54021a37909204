package io.lockstep.bench.compare;

import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Rounds;

import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * What one load came to, a row for each peer over each kind of socket. Ratios are taken round by
 * round, over the same kind of socket. One thread's.
 */
final class FlushTable {
    private final boolean flushes;
    private final MarkdownTable table;

    /** An empty one. */
    FlushTable(final FlushLoad load) {
        flushes = load.flushes();
        table =
                flushes
                        ? new MarkdownTable(
                                "over",
                                "acknowledgement",
                                "flushes/s",
                                "times unreplicated",
                                "flush p50, µs",
                                "of unreplicated",
                                "flush p99, µs",
                                "of unreplicated",
                                "write and flush p50, µs",
                                "CPU a flush, µs")
                        : new MarkdownTable(
                                "over",
                                "acknowledgement",
                                "writes/s",
                                "times unreplicated",
                                "times local",
                                "p50, µs",
                                "of unreplicated",
                                "p99, µs",
                                "CPU a write, µs");
    }

    /** Adds what all peers came to over one kind of socket. */
    void add(final String transport, final Map<FlushPeer, List<FlushOutcome>> outcomes) {
        final List<FlushOutcome> alone = outcomes.get(FlushPeer.UNREPLICATED);
        final List<FlushOutcome> local = outcomes.get(FlushPeer.LOCAL);
        outcomes.forEach(
                (peer, list) -> {
                    if (flushes) {
                        addFlushes(transport, peer, list, alone);
                    } else {
                        addWrites(transport, peer, list, alone, local);
                    }
                });
    }

    private void addFlushes(
            final String transport,
            final FlushPeer peer,
            final List<FlushOutcome> list,
            final List<FlushOutcome> alone) {
        final ToDoubleFunction<FlushOutcome> rate = of(Measurement::requestsPerSecond);
        final ToDoubleFunction<FlushOutcome> p50 = outcome -> outcome.flushes().p50Micros();
        final ToDoubleFunction<FlushOutcome> p99 = outcome -> outcome.flushes().p99Micros();
        table.row(
                transport,
                peer.title(),
                spread(list, rate, "%.0f"),
                over(list, alone, rate),
                spread(list, p50, "%.0f"),
                over(list, alone, p50),
                spread(list, p99, "%.0f"),
                over(list, alone, p99),
                spread(list, of(Measurement::p50Micros), "%.0f"),
                spread(list, of(Measurement::cpuMicros), "%.0f"));
    }

    private void addWrites(
            final String transport,
            final FlushPeer peer,
            final List<FlushOutcome> list,
            final List<FlushOutcome> alone,
            final List<FlushOutcome> local) {
        final ToDoubleFunction<FlushOutcome> rate = of(Measurement::requestsPerSecond);
        final ToDoubleFunction<FlushOutcome> p50 = of(Measurement::p50Micros);
        table.row(
                transport,
                peer.title(),
                spread(list, rate, "%.0f"),
                over(list, alone, rate),
                over(list, local, rate),
                spread(list, p50, "%.0f"),
                over(list, alone, p50),
                spread(list, of(Measurement::p99Micros), "%.0f"),
                spread(list, of(Measurement::cpuMicros), "%.1f"));
    }

    private static ToDoubleFunction<FlushOutcome> of(final ToDoubleFunction<Measurement> figure) {
        return outcome -> figure.applyAsDouble(outcome.writes());
    }

    private static Rounds rounds(
            final List<FlushOutcome> list, final ToDoubleFunction<FlushOutcome> figure) {
        return new Rounds(list.stream().mapToDouble(figure).boxed().toList());
    }

    private static String spread(
            final List<FlushOutcome> list,
            final ToDoubleFunction<FlushOutcome> figure,
            final String format) {
        return rounds(list, figure).spread(format);
    }

    /** Nothing where that is itself, or was left out. */
    private static String over(
            final List<FlushOutcome> list,
            final List<FlushOutcome> other,
            final ToDoubleFunction<FlushOutcome> figure) {
        return other == null || list.equals(other)
                ? ""
                : rounds(list, figure).over(rounds(other, figure)).spread("%.2f");
    }

    /** As Markdown. */
    @Override
    public String toString() {
        return table.toString();
    }
}
