package io.lockstep.bench.compare;

import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.PairOptions;
import io.lockstep.bench.report.Rounds;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** The latency of a guest that writes at a steady rate, without checkpoints and with. */
final class GuestComparison {
    private static final int WARM_UP_GUEST_WRITES = 4000;
    private static final double WARM_UP_SECONDS = 1;

    private final PairOptions options;
    private final int flushEvery;
    private final ComparisonReport report;

    GuestComparison(
            final PairOptions options, final int flushEvery, final ComparisonReport report) {
        this.options = options;
        this.flushEvery = flushEvery;
        this.report = report;
    }

    /** Measures pairs that are warm, at some rates of writes a second. */
    void compare(final Map<ReplicationPair.Kind, ReplicationPair> pairs, final List<Integer> rates)
            throws IOException, InterruptedException {
        report.title(
                String.format(
                        Locale.ROOT,
                        "The guest's 4 KiB writes without checkpoints, and with %.0f a second",
                        options.checkpointsPerSecond()));
        for (final ReplicationPair pair : pairs.values()) {
            runGuests(pair, WARM_UP_GUEST_WRITES, WARM_UP_SECONDS, 0);
        }
        final ReplicationTable table = new ReplicationTable("guest", pairs.keySet(), false);
        for (final int rate : rates) {
            final String name = rate + " writes/s";
            final Map<ReplicationPair.Kind, List<Measurement>> quiet =
                    new EnumMap<>(ReplicationPair.Kind.class);
            final Map<ReplicationPair.Kind, List<Measurement>> busy =
                    new EnumMap<>(ReplicationPair.Kind.class);
            final Map<ReplicationPair.Kind, List<Double>> made =
                    new EnumMap<>(ReplicationPair.Kind.class);
            for (int round = 0; round < options.rounds(); round++) {
                for (final ReplicationPair.Kind kind :
                        ReplicationPair.Kind.turn(pairs.keySet(), round)) {
                    final GuestRound guests =
                            runGuests(pairs.get(kind), rate, options.seconds(), round + 1L);
                    quiet.computeIfAbsent(kind, key -> new ArrayList<>()).add(guests.quiet());
                    busy.computeIfAbsent(kind, key -> new ArrayList<>()).add(guests.busy());
                    made.computeIfAbsent(kind, key -> new ArrayList<>())
                            .add(guests.checkpointsPerSecond());
                }
            }
            addGuests(table, name + ", without", quiet, Map.of());
            addGuests(table, name + ", with", busy, made);
            pairs.keySet()
                    .forEach(
                            kind -> {
                                final Rounds p99 =
                                        rounds(busy.get(kind), Measurement::p99Micros)
                                                .over(
                                                        rounds(
                                                                quiet.get(kind),
                                                                Measurement::p99Micros));
                                table.put(kind, "× " + p99.spread("%.2f"), p99);
                            });
            report.row(table.row(name + ", p99 with / without"));
        }
        report.tableBehindItsRows(table.end());
    }

    private GuestRound runGuests(
            final ReplicationPair pair, final int rate, final double seconds, final long seed)
            throws IOException, InterruptedException {
        return GuestRound.run(
                pair,
                rate,
                flushEvery,
                options.diskLength(),
                seconds,
                options.checkpointsPerSecond(),
                seed);
    }

    private void addGuests(
            final ReplicationTable table,
            final String name,
            final Map<ReplicationPair.Kind, List<Measurement>> results,
            final Map<ReplicationPair.Kind, List<Double>> made) {
        results.forEach(
                (kind, list) ->
                        table.put(
                                kind,
                                "p50 "
                                        + rounds(list, Measurement::p50Micros).spread("%.0f")
                                        + " µs, p99 "
                                        + rounds(list, Measurement::p99Micros).spread("%.0f")
                                        + " µs, p99.9 "
                                        + rounds(list, Measurement::p999Micros).spread("%.0f")
                                        + " µs"
                                        + (made.containsKey(kind)
                                                ? String.format(
                                                        Locale.ROOT,
                                                        "; %.0f checkpoints/s",
                                                        new Rounds(made.get(kind)).median())
                                                : ""),
                                rounds(list, Measurement::p99Micros)));
        report.row(table.row(name));
    }

    private static Rounds rounds(
            final List<Measurement> list, final ToDoubleFunction<Measurement> figure) {
        return new Rounds(list.stream().mapToDouble(figure).boxed().toList());
    }
}
