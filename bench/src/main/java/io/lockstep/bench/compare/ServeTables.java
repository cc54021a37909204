package io.lockstep.bench.compare;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Rounds;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** What a comparison of servers found: first how they compare, then the figures. */
final class ServeTables {
    private final List<BenchServer.Kind> peers = new ArrayList<>();
    private final MarkdownTable ratios;
    private final MarkdownTable figures =
            new MarkdownTable(
                    "load",
                    "server",
                    "requests/s",
                    "MiB/s",
                    "p50 µs",
                    "p99 µs",
                    "p99.9 µs",
                    "CPU a request µs");

    ServeTables(final List<BenchServer.Kind> kinds) {
        final List<String> header = new ArrayList<>(List.of("load", "fastest peer"));
        for (final BenchServer.Kind kind : kinds) {
            if (kind != BenchServer.Kind.LOCKSTEP) {
                peers.add(kind);
                header.add(kind.title());
            }
        }
        ratios = new MarkdownTable(header.toArray(String[]::new));
    }

    /** The rounds of a cell; lockstep's must be among them. */
    void add(final Cell cell, final Map<BenchServer.Kind, List<Measurement>> measurements) {
        final Rounds ours = rates(measurements.get(BenchServer.Kind.LOCKSTEP));
        final Map<BenchServer.Kind, Rounds> theirs = new EnumMap<>(BenchServer.Kind.class);
        peers.forEach(peer -> theirs.put(peer, rates(measurements.get(peer))));
        final List<Object> row = new ArrayList<>(List.of(cell));
        row.add(
                theirs.values().stream()
                        .reduce(Rounds::max)
                        .map(best -> ours.over(best).spread("%.2f"))
                        .orElse("-"));
        peers.forEach(peer -> row.add(ours.over(theirs.get(peer)).spread("%.2f")));
        ratios.row(row.toArray());
        measurements.forEach((kind, list) -> addFigures(cell, kind, list));
    }

    private void addFigures(
            final Cell cell, final BenchServer.Kind kind, final List<Measurement> list) {
        figures.row(
                cell,
                kind.title(),
                rates(list).spread("%.0f"),
                median(list, Measurement::mebibytesPerSecond, "%.0f"),
                median(list, Measurement::p50Micros, "%.0f"),
                median(list, Measurement::p99Micros, "%.0f"),
                median(list, Measurement::p999Micros, "%.0f"),
                median(list, Measurement::cpuMicros, "%.1f"));
    }

    private static String median(
            final List<Measurement> list,
            final ToDoubleFunction<Measurement> figure,
            final String format) {
        return String.format(Locale.ROOT, format, rounds(list, figure).median());
    }

    static Rounds rates(final List<Measurement> list) {
        return rounds(list, Measurement::requestsPerSecond);
    }

    static Rounds rounds(final List<Measurement> list, final ToDoubleFunction<Measurement> figure) {
        return new Rounds(list.stream().mapToDouble(figure).boxed().toList());
    }

    /** As Markdown. */
    @Override
    public String toString() {
        return "How many times as many requests a second lockstep served as:\n\n"
                + ratios
                + "\n"
                + figures;
    }
}
