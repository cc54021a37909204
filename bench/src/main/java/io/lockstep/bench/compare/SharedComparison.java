package io.lockstep.bench.compare;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Measurement;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.Locale;
import java.util.concurrent.Callable;

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
        mixinStandardHelpOptions = true)
public final class SharedComparison implements Callable<Integer> {
    private static final int BLOCK_LENGTH = 4 << 10;
    private static final int DEPTH = 16;

    /** So many requests for each block of an area touch it the first time in half of the cases. */
    private static final double HALF = 1.594;

    @Spec private CommandSpec spec;

    @Option(names = "--short", description = "A look, no measurement.")
    private boolean isShort;

    @Option(
            names = "--rounds",
            defaultValue = "3",
            description = "How often all of it is done, on new disks (default: ${DEFAULT-VALUE}).")
    private int rounds;

    private final MarkdownTable table =
            new MarkdownTable(
                    "who", "load", "checkpoints", "requests/s", "MiB/s", "p50 µs", "p99 µs");

    /**
     * A load.
     *
     * @param area in bytes
     * @param isTouched whether all of the area was written in the epoch before
     */
    private record Load(
            String name,
            boolean isRandom,
            int length,
            int depth,
            long area,
            long count,
            boolean isTouched) {}

    private Load[] loads() {
        final long count = isShort ? 2000 : 20_000;
        final long length = diskLength();
        final long blocks = (long) (count / HALF);
        return new Load[] {
            new Load("4 KiB, all first", true, BLOCK_LENGTH, DEPTH, length, count, false),
            new Load(
                    "4 KiB, half first",
                    true,
                    BLOCK_LENGTH,
                    DEPTH,
                    blocks * BLOCK_LENGTH,
                    count,
                    false),
            new Load("4 KiB, none first", true, BLOCK_LENGTH, DEPTH, 16 << 20, count, true),
            new Load(
                    "4 KiB, all first, one at a time",
                    true,
                    BLOCK_LENGTH,
                    1,
                    length,
                    count / 10,
                    false),
            new Load(
                    "4 KiB, none first, one at a time",
                    true,
                    BLOCK_LENGTH,
                    1,
                    16 << 20,
                    count / 10,
                    true),
            new Load("64 KiB in sequence", false, 64 << 10, 4, length, length >> 16, false),
            new Load("1 MiB in sequence", false, 1 << 20, 4, length, length >> 20, false)
        };
    }

    private long diskLength() {
        return isShort ? 128L << 20 : BenchServer.DISK_LENGTH;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        for (int round = 0; round < (isShort ? 1 : rounds); round++) {
            try (PairFolders folders = PairFolders.in(null);
                    BenchServer server =
                            BenchServer.startLockstep(folders, true, diskLength(), false)) {
                for (final Load load : loads()) {
                    prepare(server.uri(), load);
                    row("plain server", load, "none", run(server.uri(), load));
                }
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
                                ReplicationPair.Kind.QEMU_UNIX.start(
                                        folders, diskLength(), false)) {
                    measure("QEMU, two disks", pair);
                }
            }
        }
        spec.commandLine().getOut().println(table);
        return 0;
    }

    private void measure(final String who, final ReplicationPair pair)
            throws IOException, InterruptedException {
        for (final Load load : loads()) {
            pair.checkpoint();
            prepare(pair.guestUri(), load);
            row(who, load, "none", run(pair.guestUri(), load));
            pair.drain();
            pair.checkpoint();
            try (EagerGuest guest = guest(load);
                    CheckpointTicker ticker = CheckpointTicker.start(pair, guest, 20)) {
                row(who, load, "each 50 ms", guest.run(pair.guestUri()));
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

    private static Measurement run(final String uri, final Load load)
            throws IOException, InterruptedException {
        try (EagerGuest guest = guest(load)) {
            return guest.run(uri);
        }
    }

    private static EagerGuest guest(final Load load) throws IOException {
        final EagerGuest.Work work =
                new EagerGuest.Work(true, load.isRandom(), load.length(), load.depth(), 1, 0);
        return EagerGuest.forCount(work, load.area(), load.count(), 1);
    }

    private void row(
            final String who, final Load load, final String checkpoints, final Measurement found) {
        table.row(
                who,
                load.name(),
                checkpoints,
                String.format(Locale.ROOT, "%.0f", found.requestsPerSecond()),
                String.format(Locale.ROOT, "%.0f", found.mebibytesPerSecond()),
                String.format(Locale.ROOT, "%.0f", found.p50Micros()),
                String.format(Locale.ROOT, "%.0f", found.p99Micros()));
        spec.commandLine()
                .getErr()
                .println(who + ": " + load.name() + ", checkpoints " + checkpoints);
    }
}
