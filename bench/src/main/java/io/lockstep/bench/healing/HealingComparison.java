package io.lockstep.bench.healing;

import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.load.PacedGuest;
import io.lockstep.bench.peer.DiskCopy;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.peer.NewDisk;
import io.lockstep.bench.peer.NodePair;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.RoundOptions;
import io.lockstep.bench.report.Rounds;
import io.lockstep.cli.run.DirectoryTree;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * {@code lockstep bench healing}: how fast a pair becomes equal, beside programs that copy disks,
 * and what that costs its guest. Disks lie in memory. Each measurement has a pair of its own.
 */
@Command(
        name = "healing",
        description =
                "Measures synchronisations, beside nbdcopy and QEMU's blockdev-mirror, and what"
                        + " they cost the guest.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench healing                     everything, ten minutes",
            "  lockstep bench healing --part first,guest  parts of it",
            "  lockstep bench healing --short             a look, at small disks",
            "",
            "Needs room on /dev/shm: three disks (--disk-length)."
        })
public final class HealingComparison implements Callable<Integer> {
    /** What there is to measure. */
    enum Part {
        FIRST,
        SPARSE,
        DIFFERENCE,
        CHECKSUM,
        GUEST
    }

    private static final long MEBIBYTE = 1 << 20;
    private static final long GIBIBYTE = 1 << 30;
    private static final int BLOCK_LENGTH = 4096;
    private static final int GUEST_WRITES_A_SECOND = 1000;

    /** So that a secondary that is away is soon pulled ahead of. */
    private static final String[] SMALL_LOG = {"--log-size", "1M", "--checkpoint-every", "100ms"};

    /** What was sent at first has been made durable, and is noted no more. */
    private static final long SETTLE_MS = 15_000;

    @Spec private CommandSpec spec;

    @Mixin private final RoundOptions options = new RoundOptions();

    @Option(
            names = "--part",
            split = ",",
            defaultValue = "first,sparse,difference,checksum,guest",
            description = "${COMPLETION-CANDIDATES} (default: all).")
    private List<Part> parts;

    @Option(
            names = "--disk-length",
            paramLabel = "MIB",
            defaultValue = "4096",
            description = "Length of each disk in MiB (default: ${DEFAULT-VALUE}).")
    private long diskMebibytes;

    /** For picocli. */
    public HealingComparison() {}

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (options.isShort()) {
            diskMebibytes = Math.min(diskMebibytes, 512);
        }
        final Report report = new Report(spec.commandLine().getOut(), "lockstep bench healing");
        for (final Part part : parts) {
            switch (part) {
                case FIRST -> first(report);
                case SPARSE -> sparse(report);
                case DIFFERENCE -> difference(report);
                case CHECKSUM -> checksum(report);
                case GUEST -> guest(report);
            }
        }
        report.write(options.markdown());
        return 0;
    }

    private long length() {
        return diskMebibytes * MEBIBYTE;
    }

    /** What one round measures, in a folder of its own. */
    private interface Round {
        void run(Path folder) throws IOException, InterruptedException;
    }

    private void inRounds(final Report report, final String what, final Round round)
            throws IOException, InterruptedException {
        for (int i = 0; i < options.rounds(); i++) {
            report.progress(what + ", round " + (i + 1) + " of " + options.rounds());
            try (MemoryFolder folder = new MemoryFolder()) {
                round.run(folder.path());
            }
        }
    }

    private static Path disk(final Path folder, final String name) {
        return folder.resolve(name + ".img");
    }

    private static String mebibytes(final Rounds rates) {
        return rates.spread("%.0f");
    }

    // ---- A first synchronisation.

    private void first(final Report report) throws IOException, InterruptedException {
        final List<Double> ours = new ArrayList<>();
        final List<Double> nbdcopy = new ArrayList<>();
        final List<Double> mirror = new ArrayList<>();
        inRounds(
                report,
                "first",
                folder -> {
                    NewDisk.dense(disk(folder, "north"), length());
                    NewDisk.hole(disk(folder, "south"), length());
                    nbdcopy.add(
                            diskMebibytes
                                    / DiskCopy.nbdcopy(
                                            folder, disk(folder, "north"), disk(folder, "south")));
                    empty(folder);
                    ours.add(diskMebibytes / firstSynchronisation(folder).seconds());
                    empty(folder);
                    mirror.add(
                            diskMebibytes
                                    / DiskCopy.mirror(
                                            folder, disk(folder, "north"), disk(folder, "south")));
                });
        report.heading("A first synchronisation of " + diskMebibytes + " MiB of data");
        final MarkdownTable table = new MarkdownTable("who", "MiB/s", "lockstep over it");
        final Rounds lockstep = new Rounds(ours);
        table.row("lockstep", mebibytes(lockstep), "1");
        table.row(
                "nbdcopy, lockstep serve at both ends",
                mebibytes(new Rounds(nbdcopy)),
                lockstep.over(new Rounds(nbdcopy)).spread("%.2f"));
        table.row(
                "QEMU's blockdev-mirror",
                mebibytes(new Rounds(mirror)),
                lockstep.over(new Rounds(mirror)).spread("%.2f"));
        report.table(table);
    }

    /** The secondary's disk becomes a new one. */
    private void empty(final Path folder) throws IOException {
        Files.delete(disk(folder, "south"));
        NewDisk.hole(disk(folder, "south"), length());
    }

    private static NodePair.Healed firstSynchronisation(final Path folder)
            throws IOException, InterruptedException {
        try (NodePair pair = new NodePair(folder)) {
            pair.startSecondary();
            pair.awaitRest();
            pair.startPrimary();
            return pair.awaitEqual();
        }
    }

    private void sparse(final Report report) throws IOException, InterruptedException {
        final long data = Math.min(GIBIBYTE, length());
        final long disk = 1024 * GIBIBYTE;
        final List<Double> dense = new ArrayList<>();
        final List<Double> sparse = new ArrayList<>();
        inRounds(
                report,
                "sparse",
                folder -> {
                    NewDisk.dense(disk(folder, "north"), data);
                    NewDisk.hole(disk(folder, "south"), data);
                    dense.add(firstSynchronisation(folder).seconds());
                });
        inRounds(
                report,
                "sparse",
                folder -> {
                    scatter(NewDisk.hole(disk(folder, "north"), disk), disk, data);
                    NewDisk.hole(disk(folder, "south"), disk);
                    sparse.add(firstSynchronisation(folder).seconds());
                });
        report.heading("A sparse disk of 1 TiB with " + data / MEBIBYTE + " MiB of data");
        final MarkdownTable table = new MarkdownTable("disk", "s", "over the dense one");
        final Rounds base = new Rounds(dense);
        table.row("dense, of the data's length", base.spread("%.2f"), "1");
        table.row(
                "1 TiB",
                new Rounds(sparse).spread("%.2f"),
                new Rounds(sparse).over(base).spread("%.2f"));
        report.table(table);
    }

    /** Data in pieces of a MiB, evenly. */
    private static void scatter(final Path file, final long length, final long data)
            throws IOException {
        final byte[] piece = new byte[(int) MEBIBYTE];
        Arrays.fill(piece, (byte) 0x11);
        try (RandomAccessFile disk = new RandomAccessFile(file.toFile(), "rw")) {
            final long pieces = data / MEBIBYTE;
            for (long i = 0; i < pieces; i++) {
                disk.seek(length / pieces / MEBIBYTE * MEBIBYTE * i);
                disk.write(piece);
            }
        }
    }

    // ---- A difference.

    private void difference(final Report report) throws IOException, InterruptedException {
        final List<Double> fromStart = new ArrayList<>();
        final List<Double> rate = new ArrayList<>();
        final List<Double> overshoot = new ArrayList<>();
        final long changed = length() / 100 / BLOCK_LENGTH;
        inRounds(
                report,
                "difference",
                folder -> {
                    NewDisk.dense(disk(folder, "north"), length());
                    NewDisk.hole(disk(folder, "south"), length());
                    try (NodePair pair = new NodePair(folder, SMALL_LOG)) {
                        pair.startSecondary();
                        pair.startPrimary();
                        pair.awaitEqual();
                        Thread.sleep(SETTLE_MS);
                        pair.killSecondary();
                        OwnLoad.scatter(pair.guestUri(), length(), changed);
                        final long differing = differing(folder);
                        final long start = System.nanoTime();
                        pair.startSecondary();
                        final NodePair.Healed healed = pair.awaitEqual();
                        fromStart.add((System.nanoTime() - start) / 1e9);
                        rate.add((double) healed.received() / MEBIBYTE / healed.seconds());
                        overshoot.add((double) healed.received() / differing);
                    }
                });
        report.heading("1 % changed, in random blocks of 4 KiB, while the secondary was away");
        final MarkdownTable table =
                new MarkdownTable(
                        "MiB/s", "sent over what differs", "s from the process's start to equal");
        table.row(
                mebibytes(new Rounds(rate)),
                new Rounds(overshoot).spread("%.2f"),
                new Rounds(fromStart).spread("%.2f"));
        report.table(table);
    }

    private static long differing(final Path folder) throws IOException {
        long blocks = 0;
        try (FileChannel north = FileChannel.open(disk(folder, "north"));
                FileChannel south = FileChannel.open(disk(folder, "south"))) {
            final ByteBuffer one = ByteBuffer.allocate((int) MEBIBYTE);
            final ByteBuffer other = ByteBuffer.allocate((int) MEBIBYTE);
            for (long at = 0; at < north.size(); at += MEBIBYTE) {
                north.read(one.clear(), at);
                south.read(other.clear(), at);
                for (int i = 0; i < MEBIBYTE; i += BLOCK_LENGTH) {
                    final ByteBuffer block = one.slice(i, BLOCK_LENGTH);
                    blocks += block.equals(other.slice(i, BLOCK_LENGTH)) ? 0 : 1;
                }
            }
        }
        return blocks * BLOCK_LENGTH;
    }

    // ---- By checksum.

    private void checksum(final Report report) throws IOException, InterruptedException {
        final List<Double> rate = new ArrayList<>();
        final List<Double> perCore = new ArrayList<>();
        final List<Double> sent = new ArrayList<>();
        final List<Double> warmRate = new ArrayList<>();
        final List<Double> warmPerCore = new ArrayList<>();
        inRounds(
                report,
                "checksum",
                folder -> {
                    NewDisk.dense(disk(folder, "north"), length());
                    Files.copy(
                            disk(folder, "north"),
                            disk(folder, "south"),
                            StandardCopyOption.REPLACE_EXISTING);
                    try (NodePair pair = new NodePair(folder)) {
                        pair.startSecondary();
                        pair.join();
                        pair.awaitRest();
                        pair.startPrimary();
                        final NodePair.Healed healed = pair.awaitEqual();
                        final double gibibytes = (double) length() / GIBIBYTE;
                        rate.add(gibibytes / healed.seconds());
                        perCore.add(2 * gibibytes / healed.cpuSeconds());
                        sent.add((double) healed.received() / MEBIBYTE);
                        pair.verify();
                        final NodePair.Healed again = pair.verify();
                        warmRate.add(gibibytes / again.seconds());
                        warmPerCore.add(2 * gibibytes / again.cpuSeconds());
                    }
                });
        report.heading("By checksum, over equal disks of " + diskMebibytes + " MiB");
        final MarkdownTable table =
                new MarkdownTable(
                        "processes",
                        "GiB/s of disk",
                        "GiB hashed a second of processor time",
                        "MiB sent");
        table.row(
                "that have just started",
                new Rounds(rate).spread("%.2f"),
                new Rounds(perCore).spread("%.2f"),
                new Rounds(sent).spread("%.1f"));
        table.row(
                "the same, for the third time (lockstep verify)",
                new Rounds(warmRate).spread("%.2f"),
                new Rounds(warmPerCore).spread("%.2f"),
                "");
        report.table(table);
    }

    // ---- What the guest notices.

    private void guest(final Report report) throws IOException, InterruptedException {
        final List<Double> quiet = new ArrayList<>();
        final List<Double> busy = new ArrayList<>();
        final List<Double> seconds = new ArrayList<>();
        final List<Double> quietRate = new ArrayList<>();
        final List<Double> busyRate = new ArrayList<>();
        inRounds(
                report,
                "guest",
                folder -> {
                    NewDisk.dense(disk(folder, "north"), length());
                    NewDisk.hole(disk(folder, "south"), length());
                    try (NodePair pair = new NodePair(folder)) {
                        pair.startSecondary();
                        pair.startPrimary();
                        pair.awaitEqual();
                        final double synchronising = firstSynchronisationSeconds(folder, pair);
                        final double turn = Math.clamp(synchronising * 0.8, 0.5, 5);
                        pair.awaitRest();
                        quiet.add(p99(pair, turn));
                        seconds.add(synchronising);
                        quietRate.add(rate(pair, turn));
                        replaceSecondary(folder, pair);
                        pair.awaitBegin();
                        busy.add(p99(pair, turn));
                        pair.awaitEqual();
                        replaceSecondary(folder, pair);
                        pair.awaitBegin();
                        busyRate.add(rate(pair, turn));
                        pair.awaitEqual();
                    }
                });
        final Rounds without = new Rounds(quiet);
        final Rounds during = new Rounds(busy);
        report.heading(
                "The guest's writes, " + GUEST_WRITES_A_SECOND + " of 4 KiB a second, meanwhile");
        final MarkdownTable table =
                new MarkdownTable(
                        "p99 without, µs", "p99 during, µs", "during over without", "s alone");
        table.row(
                without.spread("%.0f"),
                during.spread("%.0f"),
                during.over(without).spread("%.2f"),
                new Rounds(seconds).spread("%.2f"));
        report.table(table);
        report.heading("A guest that writes 4 KiB as fast as it can, depth 16, meanwhile");
        final MarkdownTable rates =
                new MarkdownTable("a second without", "a second during", "during over without");
        final Rounds alone = new Rounds(quietRate);
        final Rounds beside = new Rounds(busyRate);
        rates.row(alone.spread("%.0f"), beside.spread("%.0f"), beside.over(alone).spread("%.2f"));
        report.table(rates);
    }

    /** How long one takes with nobody beside it. */
    private double firstSynchronisationSeconds(final Path folder, final NodePair pair)
            throws IOException, InterruptedException {
        replaceSecondary(folder, pair);
        return pair.awaitEqual().seconds();
    }

    /** By one that has nothing, and remembers nothing. */
    private void replaceSecondary(final Path folder, final NodePair pair)
            throws IOException, InterruptedException {
        pair.killSecondary();
        empty(folder);
        DirectoryTree.remove(folder.resolve("south.img.lockstep"));
        DirectoryTree.remove(folder.resolve("south.buffers"));
        pair.startSecondary();
    }

    private double p99(final NodePair pair, final double turn)
            throws IOException, InterruptedException {
        try (PacedGuest guest = new PacedGuest(GUEST_WRITES_A_SECOND, 0, length(), turn, 1)) {
            return guest.run(pair.guestUri()).p99Micros();
        }
    }

    private double rate(final NodePair pair, final double turn)
            throws IOException, InterruptedException {
        return OwnLoad.flood(pair.guestUri(), length(), turn).requestsPerSecond();
    }
}
