package io.lockstep.bench.compare;

import io.lockstep.bench.load.GuestWriter;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.ImageOptions;
import io.lockstep.bench.report.Machine;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.PairOptions;
import io.lockstep.bench.report.Rounds;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;

/**
 * {@code lockstep bench replication}: a lockstep pair beside QEMU's block replication, in one run.
 *
 * <p>All pairs run at once and are idle but for the one that is measured; only failovers, which a
 * pair does not survive, have a new one each. Each round measures every pair once. Ratios are taken
 * round by round, against the better of QEMU's links in that round.
 */
@Command(
        name = "replication",
        description =
                "Compares replication with QEMU's block replication, side by side in one run.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench replication                            everything, a quarter of an"
                    + " hour",
            "  lockstep bench replication --part writes --rounds 5   a part, more rounds",
            "  lockstep bench replication --short                    a minute",
            "  lockstep bench replication --without qemu_tcp,lockstep_tcp",
            "  lockstep bench replication --state fresh --images sparse --seconds 4",
            "                                              as a user meets it: each write",
            "                                              measured on a pair just set up",
            "  lockstep bench replication --state fresh --on /srv --flush-every 1",
            "",
            "Needs room on /dev/shm: eight disks (--disk-length), and the buffers."
        })
public final class ReplicationComparison implements Callable<Integer> {
    /** What there is to measure. */
    enum Part {
        WRITES,
        CHECKPOINTS,
        GUEST,
        FAILOVER
    }

    private static final int MEBIBYTE = 1 << 20;
    private static final double WARM_UP_SECONDS = 1;

    /** Two, so that what an engine uses in turn has been used. */
    private static final int WARM_UP_ROUNDS = 2;

    private static final int WARM_UP_GUEST_WRITES = 4000;
    private static final int WARM_UP_WRITES = 1000;
    private static final int WARM_UP_WRITES_A_COMMAND = 5;
    private static final long MERGE_SECONDS_MAX = 120;
    private static final int MERGE_POLL_MILLIS = 5;
    private static final double MICROS = 1e3;

    @Spec private CommandSpec spec;

    @Mixin private final PairOptions options = new PairOptions(1.5, 0.5);

    @Option(
            names = "--part",
            split = ",",
            defaultValue = "writes,checkpoints,guest,failover",
            description = "${COMPLETION-CANDIDATES} (default: all).")
    private List<Part> parts;

    @Option(
            names = "--without",
            split = ",",
            paramLabel = "PAIR",
            description = "Leaves pairs out: ${COMPLETION-CANDIDATES}.")
    private List<ReplicationPair.Kind> without = List.of();

    @Option(
            names = "--dirty",
            split = ",",
            paramLabel = "MIB",
            defaultValue = "0,16,128,1024",
            description = "Written before a checkpoint, in MiB (default: 0,16,128,1024).")
    private List<Integer> dirtyMebibytes;

    @Option(
            names = "--failover-dirty",
            paramLabel = "MIB",
            defaultValue = "128",
            description = "Written before a failover, in MiB (default: 128).")
    private int failoverMebibytes;

    @Option(
            names = "--guest-writes",
            split = ",",
            paramLabel = "RATE",
            defaultValue = "1000,4000",
            description =
                    "Writes a second that fall due while the guest's latency is measured (default:"
                            + " 1000,4000).")
    private List<Integer> guestRates;

    @Mixin private final ImageOptions images = new ImageOptions();

    private final StringBuilder tables = new StringBuilder();

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (options.isShort()) {
            dirtyMebibytes = List.of(0, 16);
            failoverMebibytes = 16;
        }
        final List<ReplicationPair.Kind> kinds = kinds();
        tables.append(Machine.description()).append(".\n");
        try {
            if (images.state() == ImageOptions.State.FRESH) {
                compareFresh(kinds);
            } else {
                compareWarm(kinds);
            }
        } finally {
            if (options.markdown() != null) {
                Files.writeString(options.markdown(), tables);
            }
        }
        return 0;
    }

    private void compareWarm(final List<ReplicationPair.Kind> kinds)
            throws IOException, InterruptedException {
        try (MemoryFolder folder = MemoryFolder.in(images.directory())) {
            if (parts.stream().anyMatch(part -> part != Part.FAILOVER)) {
                try (MemoryFolder buffers = new MemoryFolder()) {
                    compareRunning(kinds, folder, buffers);
                }
            }
            if (parts.contains(Part.FAILOVER)) {
                failOver(kinds, folder);
            }
        }
    }

    private void compareFresh(final List<ReplicationPair.Kind> kinds)
            throws IOException, InterruptedException {
        final FreshWrites fresh =
                new FreshWrites(kinds, options, images, line -> row(List.of(line)));
        title(fresh.heading());
        final String table = fresh.compare();
        tables.append(table);
        row(List.of(table));
    }

    private List<ReplicationPair.Kind> kinds() {
        final List<ReplicationPair.Kind> kinds = new ArrayList<>();
        for (final ReplicationPair.Kind kind : ReplicationPair.Kind.values()) {
            if (without.contains(kind)) {
                out().println(kind.title() + " is left out, as asked");
            } else if (kind.missing().isEmpty()) {
                kinds.add(kind);
            } else {
                out().println(kind.missing());
            }
        }
        return kinds;
    }

    /** All parts but the last, on the same pairs. */
    private void compareRunning(
            final List<ReplicationPair.Kind> kinds,
            final MemoryFolder folder,
            final MemoryFolder buffers)
            throws IOException, InterruptedException {
        final Map<ReplicationPair.Kind, ReplicationPair> pairs =
                new EnumMap<>(ReplicationPair.Kind.class);
        try {
            for (final ReplicationPair.Kind kind : kinds) {
                pairs.put(kind, startWarm(kind, folder, buffers));
            }
            if (parts.contains(Part.WRITES)) {
                compareWrites(pairs);
            }
            if (parts.contains(Part.CHECKPOINTS)) {
                compareCheckpoints(pairs);
            }
            if (parts.contains(Part.GUEST)) {
                compareGuests(pairs);
            }
        } finally {
            pairs.values().forEach(ReplicationPair::close);
        }
    }

    /** Its pre-images lie in memory, whatever the disks lie on. */
    private ReplicationPair start(
            final ReplicationPair.Kind kind,
            final MemoryFolder folder,
            final MemoryFolder buffers,
            final String own)
            throws IOException, InterruptedException {
        return kind.start(
                folder.folder(own),
                buffers.path().resolve(own),
                options.diskLength(),
                images.isSparse());
    }

    /** Sets a pair up, and lets what compiles compile. */
    private ReplicationPair startWarm(
            final ReplicationPair.Kind kind, final MemoryFolder folder, final MemoryFolder buffers)
            throws IOException, InterruptedException {
        final ReplicationPair pair =
                start(kind, folder, buffers, kind.name().toLowerCase(Locale.ROOT));
        for (int i = 0; i < WARM_UP_ROUNDS; i++) {
            for (final WriteLoad load : WriteLoad.ALL) {
                write(pair, load, 0, WARM_UP_SECONDS, 0);
                pair.drain();
                pair.checkpoint();
            }
        }
        pair.warmUpCheckpoints();
        return pair;
    }

    // ---- Replicated writes.

    private Measurement write(
            final ReplicationPair pair,
            final WriteLoad load,
            final long amount,
            final double duration,
            final long seed)
            throws IOException, InterruptedException {
        return load.run(pair, options.diskLength(), amount, duration, seed, images.flushEvery());
    }

    private void compareWrites(final Map<ReplicationPair.Kind, ReplicationPair> pairs)
            throws IOException, InterruptedException {
        title("Replicated writes");
        final ReplicationTable table = new ReplicationTable("load", pairs.keySet(), true);
        for (final WriteLoad load : WriteLoad.ALL) {
            final Map<ReplicationPair.Kind, List<Measurement>> results =
                    new EnumMap<>(ReplicationPair.Kind.class);
            for (int round = 0; round < options.rounds(); round++) {
                for (final ReplicationPair.Kind kind : turn(pairs, round)) {
                    results.computeIfAbsent(kind, key -> new ArrayList<>())
                            .add(replicated(pairs.get(kind), load, round));
                }
            }
            results.forEach(
                    (kind, list) ->
                            table.put(
                                    kind,
                                    figures(list),
                                    rounds(list, Measurement::requestsPerSecond)));
            row(table.row(load.name()));
        }
        tables.append(table.end());
    }

    /** A write counts when the secondary has it, too: so does the time that takes. */
    private Measurement replicated(
            final ReplicationPair pair, final WriteLoad load, final int round)
            throws IOException, InterruptedException {
        final double cpuBefore = pair.cpuMicros();
        final Measurement guest = write(pair, load, 0, options.seconds(), round + 1L);
        final long end = System.nanoTime();
        pair.drain();
        final double drained = (System.nanoTime() - end) / 1e9;
        final double requests = guest.requestsPerSecond() * options.seconds();
        final double cpu = (pair.cpuMicros() - cpuBefore) / requests;
        final double share = options.seconds() / (options.seconds() + drained);
        pair.checkpoint();
        return guest.scaled(share).withCpu(cpu);
    }

    // ---- Checkpoints.

    private void compareCheckpoints(final Map<ReplicationPair.Kind, ReplicationPair> pairs)
            throws IOException, InterruptedException {
        title("A checkpoint, as the manager sees it");
        final ReplicationTable table = new ReplicationTable("dirty", pairs.keySet(), false);
        for (final int mebibytes : dirtyMebibytes) {
            if (mebibytes > options.diskMebibytes()) {
                out().println(
                                mebibytes
                                        + " MiB are left out: a disk has "
                                        + options.diskMebibytes());
                continue;
            }
            final Map<ReplicationPair.Kind, List<Double>> whole =
                    new EnumMap<>(ReplicationPair.Kind.class);
            final Map<ReplicationPair.Kind, List<Double>> commits =
                    new EnumMap<>(ReplicationPair.Kind.class);
            for (int round = 0; round < options.rounds(); round++) {
                for (final ReplicationPair.Kind kind : turn(pairs, round)) {
                    final ReplicationPair pair = pairs.get(kind);
                    dirty(pair, mebibytes, round);
                    pair.commitMicros(); // those before don't count
                    whole.computeIfAbsent(kind, key -> new ArrayList<>()).add(timeCheckpoint(pair));
                    commits.computeIfAbsent(kind, key -> new ArrayList<>())
                            .add(pair.commitMicros());
                }
            }
            whole.forEach(
                    (kind, micros) ->
                            table.put(
                                    kind,
                                    checkpointFigures(micros, commits.get(kind)),
                                    new Rounds(micros)));
            row(table.row(mebibytes + " MiB"));
        }
        tables.append(table.end());
    }

    private static String checkpointFigures(final List<Double> whole, final List<Double> commits) {
        final Rounds inside = new Rounds(commits);
        return new Rounds(whole).spread("%.0f")
                + " µs"
                + (Double.isNaN(inside.median())
                        ? ""
                        : "; commit " + inside.spread("%.2f") + " µs");
    }

    private static double timeCheckpoint(final ReplicationPair pair) throws IOException {
        final long start = System.nanoTime();
        pair.checkpoint();
        return (System.nanoTime() - start) / MICROS;
    }

    /**
     * Writes so much, no block twice: 4 KiB at random; the whole disk in longer pieces, since with
     * single ones that takes a minute.
     */
    private void dirty(final ReplicationPair pair, final int mebibytes, final long seed)
            throws IOException, InterruptedException {
        pair.checkpoint();
        if (mebibytes > 0) {
            final WriteLoad load =
                    mebibytes < options.diskMebibytes() ? WriteLoad.SINGLE : WriteLoad.LONGEST;
            write(pair, load, (long) mebibytes * MEBIBYTE, 0, seed + 1);
            pair.drain();
        }
    }

    // ---- The guest's latency.

    private void compareGuests(final Map<ReplicationPair.Kind, ReplicationPair> pairs)
            throws IOException, InterruptedException {
        title(
                String.format(
                        Locale.ROOT,
                        "The guest's 4 KiB writes without checkpoints, and with %.0f a second",
                        options.checkpointsPerSecond()));
        for (final ReplicationPair pair : pairs.values()) {
            runGuests(pair, WARM_UP_GUEST_WRITES, WARM_UP_SECONDS, 0);
        }
        final ReplicationTable table = new ReplicationTable("guest", pairs.keySet(), false);
        for (final int rate : guestRates) {
            final String name = rate + " writes/s";
            final Map<ReplicationPair.Kind, List<Measurement>> quiet =
                    new EnumMap<>(ReplicationPair.Kind.class);
            final Map<ReplicationPair.Kind, List<Measurement>> busy =
                    new EnumMap<>(ReplicationPair.Kind.class);
            final Map<ReplicationPair.Kind, List<Double>> made =
                    new EnumMap<>(ReplicationPair.Kind.class);
            for (int round = 0; round < options.rounds(); round++) {
                for (final ReplicationPair.Kind kind : turn(pairs, round)) {
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
            row(table.row(name + ", p99 with / without"));
        }
        tables.append(table.end());
    }

    private GuestRound runGuests(
            final ReplicationPair pair, final int rate, final double seconds, final long seed)
            throws IOException, InterruptedException {
        return GuestRound.run(
                pair, rate, options.diskLength(), seconds, options.checkpointsPerSecond(), seed);
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
        row(table.row(name));
    }

    // ---- Failover.

    private void failOver(final List<ReplicationPair.Kind> kinds, final MemoryFolder folder)
            throws IOException, InterruptedException {
        title("Failover with " + failoverMebibytes + " MiB dirty");
        final Map<ReplicationPair.Kind, List<Double>> first =
                new EnumMap<>(ReplicationPair.Kind.class);
        final Map<ReplicationPair.Kind, List<Double>> merged =
                new EnumMap<>(ReplicationPair.Kind.class);
        for (int round = 0; round < options.rounds(); round++) {
            for (final ReplicationPair.Kind kind : kinds) {
                final String own = "failover-" + round + "-" + kind;
                try (MemoryFolder buffers = new MemoryFolder();
                        ReplicationPair pair = start(kind, folder, buffers, own);
                        GuestWriter guest = GuestWriter.connect(pair.secondaryGuestUri())) {
                    warmUpClient(pair);
                    dirty(pair, failoverMebibytes, round);
                    pair.killPrimary();
                    final long start = System.nanoTime();
                    pair.failOver();
                    final int errno = guest.write(0);
                    if (errno != 0) {
                        throw new IOException(
                                kind.title() + " failed the first write after failover: " + errno);
                    }
                    first.computeIfAbsent(kind, key -> new ArrayList<>())
                            .add((System.nanoTime() - start) / MICROS);
                    merged.computeIfAbsent(kind, key -> new ArrayList<>())
                            .add(awaitMerge(pair, start));
                }
                folder.remove(own);
            }
        }
        final ReplicationTable table = new ReplicationTable("failover", first.keySet(), false);
        addTimes(table, "first write served", first);
        addTimes(table, "merged", merged);
        tables.append(table.end());
    }

    /** Our own client's code must not run for the first time when the pair's is timed. */
    private static void warmUpClient(final ReplicationPair pair)
            throws IOException, InterruptedException {
        try (GuestWriter primary = GuestWriter.connect(pair.guestUri())) {
            for (int i = 0; i < WARM_UP_WRITES; i++) {
                primary.write(0);
                if (i % WARM_UP_WRITES_A_COMMAND == 0) {
                    pair.drain();
                }
            }
        }
    }

    private static double awaitMerge(final ReplicationPair pair, final long start)
            throws IOException, InterruptedException {
        while (!pair.isMerged()) {
            if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(MERGE_SECONDS_MAX)) {
                throw new IOException("the merge came to no end");
            }
            Thread.sleep(MERGE_POLL_MILLIS);
        }
        return (System.nanoTime() - start) / MICROS;
    }

    private void addTimes(
            final ReplicationTable table,
            final String name,
            final Map<ReplicationPair.Kind, List<Double>> micros) {
        micros.forEach(
                (kind, list) -> {
                    final Rounds millis =
                            new Rounds(list.stream().map(value -> value / MICROS).toList());
                    table.put(kind, millis.spread("%.1f") + " ms", millis);
                });
        row(table.row(name));
    }

    // ---- Tables.

    /** The pairs in the order of this round: everybody comes first once. */
    private static List<ReplicationPair.Kind> turn(
            final Map<ReplicationPair.Kind, ReplicationPair> pairs, final int round) {
        final List<ReplicationPair.Kind> kinds = new ArrayList<>(pairs.keySet());
        Collections.rotate(kinds, -round);
        return kinds;
    }

    private static Rounds rounds(
            final List<Measurement> list, final ToDoubleFunction<Measurement> figure) {
        return new Rounds(list.stream().mapToDouble(figure).boxed().toList());
    }

    private static String figures(final List<Measurement> list) {
        return String.format(
                Locale.ROOT,
                "%.1fk/s, %.0f MiB/s; %.0f, %.0f, %.0f µs; cpu %.1f µs",
                rounds(list, Measurement::requestsPerSecond).median() / 1000,
                rounds(list, Measurement::mebibytesPerSecond).median(),
                rounds(list, Measurement::p50Micros).median(),
                rounds(list, Measurement::p99Micros).median(),
                rounds(list, Measurement::p999Micros).median(),
                rounds(list, Measurement::cpuMicros).median());
    }

    private void title(final String text) {
        out().println(text);
        tables.append("\n### ").append(text).append("\n\n");
    }

    private void row(final List<String> lines) {
        lines.forEach(out()::println);
        out().flush();
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}
