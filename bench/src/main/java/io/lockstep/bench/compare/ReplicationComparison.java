package io.lockstep.bench.compare;

import io.lockstep.bench.load.GuestWriter;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.DiskImages;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.PairOptions;
import io.lockstep.bench.report.Rounds;
import io.lockstep.bench.report.StateOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.ArrayList;
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
            "  lockstep bench replication                           all, half an hour",
            "  lockstep bench replication --part writes --rounds 5  a part, more rounds",
            "  lockstep bench replication --short                   a minute",
            "  lockstep bench replication --without qemu_tcp,lockstep_tcp",
            "  lockstep bench replication --state fresh --on /srv --seconds 4",
            "       as users meet it: each load on a pair just set up, with sparse and",
            "       dense disks in memory, and dense ones on /srv",
            "  lockstep bench replication --state fresh --images sparse --only 'depth 16'",
            "  lockstep bench replication --part saturated --checkpoints-per-second 10",
            "",
            "Needs room on /dev/shm: eight disks (--disk-length), and the buffers."
        })
public final class ReplicationComparison implements Callable<Integer> {
    /** What there is to measure. */
    enum Part {
        WRITES,
        CHECKPOINTS,
        SATURATED,
        GUEST,
        FAILOVER
    }

    private static final int MEBIBYTE = 1 << 20;
    private static final double WARM_UP_SECONDS = 1;

    /** Two, so that what an engine uses in turn has been used. */
    private static final int WARM_UP_ROUNDS = 2;

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
            defaultValue = "writes,checkpoints,saturated,guest,failover",
            description =
                    "${COMPLETION-CANDIDATES} (default: all; with --state fresh there are writes"
                            + " and saturated).")
    private List<Part> parts;

    @Option(
            names = "--only",
            defaultValue = "",
            description = "Of writes and saturated only loads whose name contains this.")
    private String only;

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

    @Mixin private final StateOptions images = new StateOptions();

    private ComparisonReport report;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (options.isShort()) {
            dirtyMebibytes = List.of(0, 16);
            failoverMebibytes = 16;
        }
        final List<ReplicationPair.Kind> kinds = kinds();
        report = new ComparisonReport(out());
        try {
            if (images.isFresh()) {
                requireFreshParts();
                compareFresh(kinds);
            } else {
                compareWarm(kinds);
            }
        } finally {
            if (options.markdown() != null) {
                Files.writeString(options.markdown(), report.markdown());
            }
        }
        return 0;
    }

    private void compareWarm(final List<ReplicationPair.Kind> kinds)
            throws IOException, InterruptedException {
        try (MemoryFolder folder = MemoryFolder.in(images.disks().directory())) {
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

    private void requireFreshParts() {
        if (!parts.contains(Part.WRITES) && !parts.contains(Part.SATURATED)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--state fresh has --part writes and saturated, and neither was asked for");
        }
    }

    private void compareFresh(final List<ReplicationPair.Kind> kinds)
            throws IOException, InterruptedException {
        final FreshWrites fresh = new FreshWrites(kinds, options, only, report::progress);
        for (final DiskImages disks : images.everyDisks()) {
            if (parts.contains(Part.WRITES)) {
                title("Replicated writes", disks);
                report.table(fresh.compare(images, disks));
            }
            if (parts.contains(Part.SATURATED)) {
                compareSaturated(kinds, PairSource.fresh(disks, options.diskLength()), disks);
            }
        }
    }

    private void title(final String what, final DiskImages disks) throws IOException {
        report.title(
                String.format(
                        Locale.ROOT,
                        "%s for %.1f s, %s",
                        what,
                        options.seconds(),
                        images.sentence("pair", disks)));
        if (images.isFresh()) {
            report.paragraph(disks.pageCache());
        }
    }

    // ---- Checkpoints under a load.

    private void compareSaturated(
            final List<ReplicationPair.Kind> kinds, final PairSource pairs, final DiskImages disks)
            throws IOException, InterruptedException {
        title(
                String.format(
                        Locale.ROOT,
                        "Writes as fast as they go, and %.0f checkpoints a second,",
                        options.checkpointsPerSecond()),
                disks);
        final List<WriteLoad> loads =
                WriteLoad.all(images, disks).stream()
                        .filter(load -> load.name().contains(only))
                        .toList();
        report.table(new SaturatedWrites(kinds, options, report::progress).compare(pairs, loads));
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
            if (parts.contains(Part.SATURATED)) {
                compareSaturated(kinds, PairSource.running(pairs), images.disks());
            }
            if (parts.contains(Part.GUEST)) {
                new GuestComparison(options, images.flushEvery(), report)
                        .compare(pairs, guestRates);
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
                images.disks().isSparse());
    }

    /** Sets a pair up, and lets what compiles compile. */
    private ReplicationPair startWarm(
            final ReplicationPair.Kind kind, final MemoryFolder folder, final MemoryFolder buffers)
            throws IOException, InterruptedException {
        final ReplicationPair pair =
                start(kind, folder, buffers, kind.name().toLowerCase(Locale.ROOT));
        for (int i = 0; i < WARM_UP_ROUNDS; i++) {
            for (final WriteLoad load : WriteLoad.all(images)) {
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
        return load.run(pair, options.diskLength(), amount, duration, seed);
    }

    private void compareWrites(final Map<ReplicationPair.Kind, ReplicationPair> pairs)
            throws IOException, InterruptedException {
        title("Replicated writes", images.disks());
        final ReplicationTable table = new ReplicationTable("load", pairs.keySet(), true);
        for (final WriteLoad load : WriteLoad.all(images, images.disks())) {
            if (!load.name().contains(only)) {
                continue;
            }
            final Map<ReplicationPair.Kind, List<Measurement>> results =
                    new EnumMap<>(ReplicationPair.Kind.class);
            for (int round = 0; round < options.rounds(); round++) {
                for (final ReplicationPair.Kind kind :
                        ReplicationPair.Kind.turn(pairs.keySet(), round)) {
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
            report.row(table.row(load.name()));
        }
        report.tableBehindItsRows(table.end());
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
        report.title("A checkpoint, as the manager sees it");
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
                for (final ReplicationPair.Kind kind :
                        ReplicationPair.Kind.turn(pairs.keySet(), round)) {
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
            report.row(table.row(mebibytes + " MiB"));
        }
        report.tableBehindItsRows(table.end());
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

    // ---- Failover.

    private void failOver(final List<ReplicationPair.Kind> kinds, final MemoryFolder folder)
            throws IOException, InterruptedException {
        report.title("Failover with " + failoverMebibytes + " MiB dirty");
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
                    pair.awaitStandby();
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
        report.tableBehindItsRows(table.end());
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
        report.row(table.row(name));
    }

    // ---- Tables.

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

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}
