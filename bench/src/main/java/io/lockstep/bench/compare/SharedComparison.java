package io.lockstep.bench.compare;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.load.LinkBytes;
import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.DirectoryConverter;
import io.lockstep.bench.report.DiskImages;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.RoundOptions;
import io.lockstep.bench.report.Rounds;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;

/**
 * {@code lockstep bench shared}: what announcing costs a guest whose hosts share a disk, beside a
 * plain server and a replicated pair, and beside QEMU's where it is installed.
 */
@Command(
        name = "shared",
        description =
                "Writes to a pair that shares its disk, by how many of the writes are the first to"
                        + " a block in an epoch, beside a plain server, a pair with two disks, and"
                        + " QEMU's.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  lockstep bench shared                          three rounds, in memory",
            "  lockstep bench shared --on /srv                past the page cache, on /srv",
            "  lockstep bench shared --only 'one at a time'   what a first touch costs",
            "  lockstep bench shared --short                  a look",
            "",
            "Needs room for five disks of 1 GiB: on /dev/shm, or in DIR."
        })
public final class SharedComparison implements Callable<Integer> {
    private static final int BLOCK_LENGTH = 4 << 10;
    private static final int DEPTH = 16;
    private static final int COUNT = 20_000;
    private static final int SHORT_COUNT = 2_000;
    private static final long SHORT_LENGTH = 128L << 20;
    private static final long TOUCHED_LENGTH = 16L << 20;
    private static final double CHECKPOINTS_PER_SECOND = 20;

    private static final String PLAIN = "plain server";
    private static final String SHARED = "shared disk";
    private static final String TWO_DISKS = "two disks";
    private static final String QEMU = "QEMU, two disks";
    private static final String NO_CHECKPOINTS = "none";
    private static final String CHECKPOINTS = "each 50 ms";

    private static final String FIRST_ALONE = "4 KiB, all first, one at a time";
    private static final String LATER_ALONE = "4 KiB, none first, one at a time";
    private static final String READ_ALONE = "4 KiB read, one at a time";

    /** So many requests for each block of an area touch it the first time in half of the cases. */
    private static final double HALF = 1.594;

    @Spec private CommandSpec spec;
    @Mixin private RoundOptions options;

    @Option(
            names = "--on",
            paramLabel = "DIR",
            converter = DirectoryConverter.class,
            description =
                    "Where the disks lie, and QEMU's overlays: a directory of a file system past"
                            + " whose page cache everybody goes then (default: in memory).")
    private Path directory;

    @Option(
            names = "--only",
            defaultValue = "",
            description = "Only loads whose name contains this.")
    private String only;

    /**
     * A load.
     *
     * @param area in bytes
     * @param isTouched whether all of the area was written in the epoch before
     */
    private record Load(
            String name, EagerGuest.Work work, long area, long count, boolean isTouched) {
        /** How many bytes its requests have. */
        double bytes() {
            return (double) (count * work.blockLength());
        }

        /** One that waits for each answer leaves its core to who is to answer. */
        EagerGuest guest() throws IOException {
            return work.depth() == 1
                    ? EagerGuest.asleepBetween(work, area, count, 1)
                    : EagerGuest.forCount(work, area, count, 1);
        }
    }

    /** What was measured. */
    private record Cell(String who, String load, String checkpoints) {}

    private final Map<Cell, List<Measurement>> found = new LinkedHashMap<>();
    private Report report;

    /** What a peer of ours came to that did not go on to the end of a round. */
    private final List<String> failures = new ArrayList<>();

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (writes().isEmpty() && !isWanted(read())) {
            throw new ParameterException(
                    spec.commandLine(), "there is no load whose name contains " + only);
        }
        report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep bench shared"
                                + (options.isShort() ? " --short" : "")
                                + (directory == null ? "" : " --on " + directory)
                                + (only.isEmpty() ? "" : " --only '" + only + "'"));
        report.paragraph(
                String.format(
                        Locale.ROOT,
                        "Over Unix sockets, %s of %d MiB, which everybody uses %s. Medians of the"
                            + " rounds (%d), each on new disks and in new processes. The guest is"
                            + " our own; where it has one request at a time it sleeps until the"
                            + " answer is there, else it looks for it.",
                        new DiskImages(false, directory).sentence(),
                        diskLength() >> 20,
                        access(),
                        options.rounds()));
        for (int round = 0; round < options.rounds(); round++) {
            measureAll();
        }
        report.table(table());
        failures.forEach(report::paragraph);
        reportFirstTouch();
        if (!writes().isEmpty()) {
            report.table(bytesOnTheLink());
        }
        report.write(options.markdown());
        return 0;
    }

    private String access() {
        return directory == null
                ? "through the one page cache that they have"
                : "past the page cache: the shared pair with --shared, the plain server and the"
                        + " pair with two disks with --direct, QEMU's with cache=none, overlays and"
                        + " all; lockstep's pre-images lie in memory";
    }

    private List<Load> writes() {
        final long count = options.isShort() ? SHORT_COUNT : COUNT;
        final long all = diskLength();
        final long half = ((long) (count / HALF)) * BLOCK_LENGTH;
        return List.of(
                        blocks("4 KiB, all first", DEPTH, all, count, false),
                        blocks("4 KiB, half first", DEPTH, half, count, false),
                        blocks("4 KiB, none first", DEPTH, TOUCHED_LENGTH, count, true),
                        stream("64 KiB in sequence", 64 << 10),
                        stream("1 MiB in sequence", 1 << 20),
                        blocks(FIRST_ALONE, 1, all, countAlone(), false),
                        blocks(LATER_ALONE, 1, TOUCHED_LENGTH, countAlone(), true))
                .stream()
                .filter(this::isWanted)
                .toList();
    }

    private boolean isWanted(final Load load) {
        return load.name().contains(only);
    }

    private long countAlone() {
        return options.isShort() ? SHORT_COUNT : COUNT / 2;
    }

    private static Load blocks(
            final String name,
            final int depth,
            final long area,
            final long count,
            final boolean isTouched) {
        return new Load(
                name,
                new EagerGuest.Work(true, true, BLOCK_LENGTH, depth, 1, 0),
                area,
                count,
                isTouched);
    }

    private Load stream(final String name, final int length) {
        return new Load(
                name,
                new EagerGuest.Work(true, false, length, 4, 1, 0),
                diskLength(),
                diskLength() / length,
                false);
    }

    /** A round trip and a read of a block: what a first touch waits for besides. */
    private Load read() {
        return new Load(
                READ_ALONE,
                new EagerGuest.Work(false, true, BLOCK_LENGTH, 1, 1, 0),
                diskLength(),
                countAlone(),
                false);
    }

    private long diskLength() {
        return options.isShort() ? SHORT_LENGTH : BenchServer.DISK_LENGTH;
    }

    // ---- One after the other.

    private void measureAll() throws IOException, InterruptedException {
        final LockstepPair.Shape shape = LockstepPair.Shape.ofOneDisk(true, diskLength());
        try (PairFolders serverFolders = folders();
                BenchServer server =
                        BenchServer.startLockstep(serverFolders, true, diskLength(), false)) {
            for (final Load load : writes()) {
                prepare(server.uri(), load);
                measure(PLAIN, load, server.uri());
            }
            try (PairFolders folders = folders();
                    LockstepPair pair = LockstepPair.startShared(folders, shape)) {
                measureWithout(SHARED, pair);
                // Right behind the touches that it is compared with, whatever the machine does.
                if (isWanted(read())) {
                    measure(PLAIN, read(), server.uri());
                }
                measureWith(SHARED, pair);
            }
        }
        try (PairFolders folders = folders();
                LockstepPair pair = LockstepPair.start(folders, shape)) {
            measureWithout(TWO_DISKS, pair);
            measureWith(TWO_DISKS, pair);
        }
        if (failures.isEmpty() && ReplicationPair.Kind.QEMU_UNIX.missing().isEmpty()) {
            try (PairFolders folders = folders();
                    ReplicationPair pair =
                            ReplicationPair.Kind.QEMU_UNIX.start(folders, diskLength(), false)) {
                measureWithout(QEMU, pair);
                measureWith(QEMU, pair);
            } catch (final IOException e) {
                failures.add(QEMU + ", which is left out from there on: " + e.getMessage());
            }
        }
    }

    private PairFolders folders() throws IOException {
        return directory == null ? PairFolders.in(null) : PairFolders.direct(directory);
    }

    /** Without checkpoints. */
    private void measureWithout(final String who, final ReplicationPair pair)
            throws IOException, InterruptedException {
        for (final Load load : writes()) {
            pair.checkpoint();
            prepare(pair.guestUri(), load);
            measure(who, load, pair.guestUri());
            pair.drain();
        }
    }

    /** With checkpoints. */
    private void measureWith(final String who, final ReplicationPair pair)
            throws IOException, InterruptedException {
        for (final Load load : writes()) {
            pair.checkpoint();
            try (EagerGuest guest = load.guest();
                    CheckpointTicker ticker =
                            CheckpointTicker.start(pair, guest, CHECKPOINTS_PER_SECOND)) {
                note(who, load, CHECKPOINTS, guest.run(pair.guestUri()));
                ticker.end();
            }
            pair.drain();
        }
    }

    private static void prepare(final String uri, final Load load)
            throws IOException, InterruptedException {
        if (load.isTouched()) {
            OwnLoad.fill(uri, load.area());
        }
    }

    private void measure(final String who, final Load load, final String uri)
            throws IOException, InterruptedException {
        try (EagerGuest guest = load.guest()) {
            note(who, load, NO_CHECKPOINTS, guest.run(uri));
        }
    }

    private void note(
            final String who, final Load load, final String checkpoints, final Measurement now) {
        report.progress(who + ": " + load.name() + ", checkpoints " + checkpoints);
        found.computeIfAbsent(new Cell(who, load.name(), checkpoints), cell -> new ArrayList<>())
                .add(now);
    }

    // ---- What was found.

    private MarkdownTable table() {
        final MarkdownTable table =
                new MarkdownTable(
                        "who",
                        "load",
                        "checkpoints",
                        "requests/s",
                        "of the plain server's",
                        "p50 µs",
                        "p99 µs");
        final List<Load> loads = new ArrayList<>(writes());
        loads.add(read());
        for (final String who : List.of(PLAIN, SHARED, TWO_DISKS, QEMU)) {
            for (final Load load : loads) {
                for (final String checkpoints : List.of(NO_CHECKPOINTS, CHECKPOINTS)) {
                    final Cell cell = new Cell(who, load.name(), checkpoints);
                    if (found.containsKey(cell)) {
                        addRow(table, cell);
                    }
                }
            }
        }
        return table;
    }

    private void addRow(final MarkdownTable table, final Cell cell) {
        final Rounds rate = rounds(cell, Measurement::requestsPerSecond);
        final Cell plain = new Cell(PLAIN, cell.load(), NO_CHECKPOINTS);
        table.row(
                cell.who(),
                cell.load(),
                cell.checkpoints(),
                rate.spread("%.0f"),
                rate.over(rounds(plain, Measurement::requestsPerSecond)).spread("%.2f"),
                rounds(cell, Measurement::p50Micros).spread("%.0f"),
                rounds(cell, Measurement::p99Micros).spread("%.0f"));
    }

    private Rounds rounds(final Cell cell, final ToDoubleFunction<Measurement> figure) {
        return new Rounds(found.get(cell).stream().mapToDouble(figure).boxed().toList());
    }

    /** Where all that it is made of was measured. */
    private void reportFirstTouch() {
        final Cell first = new Cell(SHARED, FIRST_ALONE, NO_CHECKPOINTS);
        final Cell plain = new Cell(PLAIN, FIRST_ALONE, NO_CHECKPOINTS);
        final Cell read = new Cell(PLAIN, READ_ALONE, NO_CHECKPOINTS);
        if (found.keySet().containsAll(List.of(first, plain, read))) {
            report.paragraph(
                    "What a first touch takes more than the same writes take on the plain server,"
                            + " one at a time and at the median, and how many times what a read of"
                            + " that takes, a round trip and all, which is measured right behind:"
                            + " the aim is at most 1.3.");
            report.table(
                    firstTouch(
                            rounds(first, Measurement::p50Micros),
                            rounds(plain, Measurement::p50Micros),
                            rounds(read, Measurement::p50Micros)));
        }
    }

    private static MarkdownTable firstTouch(
            final Rounds first, final Rounds plain, final Rounds read) {
        final MarkdownTable table =
                new MarkdownTable(
                        "first touch p50 µs",
                        "on the plain server p50 µs",
                        "cost µs",
                        "read alone µs",
                        "times");
        final Rounds cost = first.minus(plain);
        table.row(
                first.spread("%.1f"),
                plain.spread("%.1f"),
                cost.spread("%.1f"),
                read.spread("%.1f"),
                cost.over(read).spread("%.2f"));
        return table;
    }

    /** Over TCP, of whose sockets the kernel counts the bytes. */
    private MarkdownTable bytesOnTheLink() throws IOException, InterruptedException {
        final MarkdownTable table =
                new MarkdownTable(SHARED, "bytes on the link for each that is written");
        final LockstepPair.Shape shape = LockstepPair.Shape.ofOneDisk(false, diskLength());
        try (PairFolders folders = folders();
                LockstepPair pair = LockstepPair.startShared(folders, shape)) {
            for (final Load load : writes()) {
                pair.checkpoint();
                prepare(pair.guestUri(), load);
                pair.drain();
                final long before = LinkBytes.now(pair.linkPort());
                try (EagerGuest guest = load.guest()) {
                    guest.run(pair.guestUri());
                }
                pair.drain();
                final long sent = LinkBytes.now(pair.linkPort()) - before;
                table.row(load.name(), String.format(Locale.ROOT, "%.5f", sent / load.bytes()));
            }
        }
        return table;
    }
}
