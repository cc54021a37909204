package io.lockstep.bench.compare;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.load.LinkBytes;
import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.RoundOptions;
import io.lockstep.bench.report.Rounds;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import java.io.IOException;
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
            "  lockstep bench shared             three rounds",
            "  lockstep bench shared --short     a look"
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

    /** So many requests for each block of an area touch it the first time in half of the cases. */
    private static final double HALF = 1.594;

    @Spec private CommandSpec spec;
    @Mixin private RoundOptions options;

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
    }

    /** What was measured. */
    private record Cell(String who, String load, String checkpoints) {}

    private final Map<Cell, List<Measurement>> found = new LinkedHashMap<>();
    private Report report;

    @Override
    public Integer call() throws IOException, InterruptedException {
        report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep bench shared" + (options.isShort() ? " --short" : ""));
        report.paragraph(
                String.format(
                        Locale.ROOT,
                        "Over Unix sockets, disks in memory of %d MiB, which both sides use through"
                                + " the one page cache that they have. Medians of the rounds (%d),"
                                + " each on new disks and in new processes.",
                        diskLength() >> 20,
                        options.rounds()));
        for (int round = 0; round < options.rounds(); round++) {
            measureAll();
        }
        report.table(table());
        report.table(bytesOnTheLink());
        report.write(options.markdown());
        return 0;
    }

    private List<Load> loads() {
        final long count = options.isShort() ? SHORT_COUNT : COUNT;
        final long all = diskLength();
        final long half = ((long) (count / HALF)) * BLOCK_LENGTH;
        return List.of(
                blocks("4 KiB, all first", DEPTH, all, count, false),
                blocks("4 KiB, half first", DEPTH, half, count, false),
                blocks("4 KiB, none first", DEPTH, TOUCHED_LENGTH, count, true),
                blocks("4 KiB, all first, one at a time", 1, all, count / 10, false),
                blocks("4 KiB, none first, one at a time", 1, TOUCHED_LENGTH, count / 10, true),
                stream("64 KiB in sequence", 64 << 10),
                stream("1 MiB in sequence", 1 << 20));
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
                "4 KiB read, one at a time",
                new EagerGuest.Work(false, true, BLOCK_LENGTH, 1, 1, 0),
                diskLength(),
                (options.isShort() ? SHORT_COUNT : COUNT) / 10,
                false);
    }

    private long diskLength() {
        return options.isShort() ? SHORT_LENGTH : BenchServer.DISK_LENGTH;
    }

    // ---- One after the other.

    private void measureAll() throws IOException, InterruptedException {
        try (PairFolders folders = PairFolders.in(null);
                BenchServer server =
                        BenchServer.startLockstep(folders, true, diskLength(), false)) {
            for (final Load load : loads()) {
                prepare(server.uri(), load);
                measure(PLAIN, load, server.uri());
            }
            measure(PLAIN, read(), server.uri());
        }
        final LockstepPair.Shape shape = LockstepPair.Shape.ofOneDisk(true, diskLength());
        try (PairFolders folders = PairFolders.in(null);
                LockstepPair pair = LockstepPair.startShared(folders, shape)) {
            measure("shared disk", pair);
        }
        try (PairFolders folders = PairFolders.in(null);
                LockstepPair pair = LockstepPair.start(folders, shape)) {
            measure("two disks", pair);
        }
        if (ReplicationPair.Kind.QEMU_UNIX.missing().isEmpty()) {
            try (PairFolders folders = PairFolders.in(null);
                    ReplicationPair pair =
                            ReplicationPair.Kind.QEMU_UNIX.start(folders, diskLength(), false)) {
                measure("QEMU, two disks", pair);
            }
        }
    }

    private void measure(final String who, final ReplicationPair pair)
            throws IOException, InterruptedException {
        for (final Load load : loads()) {
            pair.checkpoint();
            prepare(pair.guestUri(), load);
            measure(who, load, pair.guestUri());
            pair.drain();
            pair.checkpoint();
            try (EagerGuest guest = guest(load);
                    CheckpointTicker ticker =
                            CheckpointTicker.start(pair, guest, CHECKPOINTS_PER_SECOND)) {
                note(who, load, "each 50 ms", guest.run(pair.guestUri()));
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
        try (EagerGuest guest = guest(load)) {
            note(who, load, "none", guest.run(uri));
        }
    }

    private static EagerGuest guest(final Load load) throws IOException {
        return EagerGuest.forCount(load.work(), load.area(), load.count(), 1);
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
        found.forEach(
                (cell, all) -> {
                    final Rounds rate = rounds(all, Measurement::requestsPerSecond);
                    final List<Measurement> plain = found.get(new Cell(PLAIN, cell.load(), "none"));
                    table.row(
                            cell.who(),
                            cell.load(),
                            cell.checkpoints(),
                            rate.spread("%.0f"),
                            rate.over(rounds(plain, Measurement::requestsPerSecond)).spread("%.2f"),
                            rounds(all, Measurement::p50Micros).spread("%.0f"),
                            rounds(all, Measurement::p99Micros).spread("%.0f"));
                });
        return table;
    }

    private static Rounds rounds(
            final List<Measurement> all, final ToDoubleFunction<Measurement> figure) {
        return new Rounds(all.stream().mapToDouble(figure).boxed().toList());
    }

    /** Over TCP, of whose sockets the kernel counts the bytes. */
    private MarkdownTable bytesOnTheLink() throws IOException, InterruptedException {
        final MarkdownTable table =
                new MarkdownTable("shared disk", "bytes on the link for each that is written");
        final LockstepPair.Shape shape = LockstepPair.Shape.ofOneDisk(false, diskLength());
        try (PairFolders folders = PairFolders.in(null);
                LockstepPair pair = LockstepPair.startShared(folders, shape)) {
            for (final Load load : loads()) {
                pair.checkpoint();
                prepare(pair.guestUri(), load);
                pair.drain();
                final long before = LinkBytes.now(pair.linkPort());
                try (EagerGuest guest = guest(load)) {
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
