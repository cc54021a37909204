package io.lockstep.cli.demo;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.run.BlockingGuest;
import io.lockstep.cli.run.DirectoryTree;
import io.lockstep.cli.run.Quantity;
import io.lockstep.engine.memory.PrivateFiles;

import org.HdrHistogram.Histogram;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * {@code lockstep demo}: a pair on this machine, from the first write over the failover to the
 * return of the side that died.
 */
@Command(
        name = "demo",
        description =
                "Replicates two disks between two processes on this machine, kills the primary in"
                        + " the middle of an epoch, fails over, checks that the secondary holds the"
                        + " last checkpoint, and starts the old primary again, which becomes the"
                        + " secondary and is sent what differs. Leaves nothing behind.",
        mixinStandardHelpOptions = true,
        footerHeading = "%n",
        footer = "Exit codes: 0 everything is as it must be; 1 it is not.")
public final class DemoCommand implements Callable<Integer> {
    private static final long DISK_LENGTH = 64 << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** The guest's random writes stay within so much of a disk: what differs is a part of it. */
    private static final long LOAD_LENGTH = 8 << 20;

    private static final int CHECKPOINTS = 50;
    private static final long BETWEEN_CHECKPOINTS_MS = 50;
    private static final long UNCOMMITTED_MS = 700;
    private static final long POLL_MS = 20;
    private static final int SUM_SHOWN = 16;
    private static final long FREE_MIN = 1L << 30;
    private static final Path MEMORY = Path.of("/dev/shm");

    /** Of the file system, and of what is written all the time. */
    private static final List<String> DISKS = List.of("vda", "vdb");

    @Spec private CommandSpec spec;

    @Option(
            names = "--shared",
            description =
                    "Both nodes see the same two disks: nothing is sent, and what a block held is"
                            + " saved before it is overwritten.")
    private boolean isShared;

    private final List<AutoCloseable> open = new ArrayList<>();
    private final long start = System.nanoTime();
    private Path directory;
    private DemoEngine returned;
    private boolean isWrong;

    /** For picocli. */
    public DemoCommand() {}

    @Override
    public Integer call() throws InterruptedException {
        final Thread cleaner = new Thread(this::cleanUp, "lockstep-demo-clean-up");
        Runtime.getRuntime().addShutdownHook(cleaner);
        try {
            directory = Files.createTempDirectory(place(), "ls-demo");
            run();
        } catch (final IOException e) {
            isWrong = true;
            spec.commandLine().getErr().println("lockstep demo: " + e.getMessage());
        } finally {
            cleanUp();
            Runtime.getRuntime().removeShutdownHook(cleaner);
        }
        return isWrong ? 1 : 0;
    }

    /** In memory where there is room: what is shown is the engine, not the device. */
    private static Path place() throws IOException {
        return Files.isWritable(MEMORY) && Files.getFileStore(MEMORY).getUsableSpace() >= FREE_MIN
                ? MEMORY
                : Path.of(System.getProperty("java.io.tmpdir"));
    }

    private void run() throws IOException, InterruptedException {
        for (final String disk : DISKS) {
            PrivateFiles.makeHole(file("primary", disk), DISK_LENGTH);
            if (!isShared) {
                PrivateFiles.makeHole(file("secondary", disk), DISK_LENGTH);
            }
        }
        final DemoEngine secondary = start("secondary", "primary");
        secondary.awaitReady();
        final DemoEngine primary = start("primary", "secondary");
        primary.awaitReady();
        say(
                "secondary (process %d) and primary (process %d) are up, with disks %s of %s"
                        + (isShared ? ", which both see" : ""),
                secondary.processId(),
                primary.processId(),
                String.join(" and ", DISKS),
                Quantity.bytes(DISK_LENGTH));

        final BlockingGuest vda = keep(BlockingGuest.connect(path("primary.guest"), DISKS.get(0)));
        final BlockingGuest vdb = keep(BlockingGuest.connect(path("primary.guest"), DISKS.get(1)));
        final QmpClient control = keep(DemoEngine.control(path("primary.qmp")));
        copyImage(vda);
        final long epoch = checkpointUnderLoad(control, vdb);
        final List<String> wanted = sums("primary");
        keepCopies();
        say("checkpoint: disks %s (SHA-256)", shown(wanted));

        crash(primary, vda, vdb);
        tellOfWhatIsRolledBack(epoch);
        failOver(wanted, epoch);
        comeBack(epoch);
        for (final DemoEngine node : List.of(returned, secondary)) {
            final int exitCode = node.stop();
            check(node + " ends with exit code " + exitCode, exitCode == 0);
        }
        say(
                isWrong
                        ? "SOMETHING IS WRONG, see above"
                        : "the secondary took over at its last checkpoint, byte for byte, and the"
                                + " old primary is its secondary, equal");
    }

    /**
     * Starts one of the two nodes: the same command each time, which is what its record says.
     *
     * @param name what it is at first
     */
    private DemoEngine start(final String name, final String peer) throws IOException {
        final List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "--first",
                                name,
                                "--disk",
                                DISKS.get(0) + "=" + file(name, DISKS.get(0)),
                                "--disk",
                                DISKS.get(1) + "=" + file(name, DISKS.get(1)),
                                "--listen",
                                uri(name + ".link"),
                                "--peer",
                                uri(peer + ".link"),
                                "--guest",
                                uri(name + ".guest"),
                                "--max-lag",
                                "2ms",
                                "--control",
                                path(name + ".qmp").toString(),
                                "--buffers",
                                path(name + ".buffers").toString()));
        if (isShared) {
            arguments.addAll(
                    List.of("--shared-on-one-host", "--state", path(name + ".state").toString()));
        }
        return keep(DemoEngine.start(directory, name, arguments));
    }

    // ---- The guest's life before the crash.

    private void copyImage(final BlockingGuest guest) throws IOException, InterruptedException {
        final Path image = path("image");
        final String what = DemoImage.make(image, DISK_LENGTH);
        final ByteBuffer chunk = ByteBuffer.allocate(BlockingGuest.CHUNK_LENGTH);
        long written = 0;
        final long began = System.nanoTime();
        try (FileChannel in = FileChannel.open(image)) {
            for (long offset = 0; offset < DISK_LENGTH; offset += BlockingGuest.CHUNK_LENGTH) {
                in.read(chunk.clear(), offset);
                chunk.flip();
                if (!isZero(chunk)) {
                    written += chunk.remaining();
                    guest.write(offset, chunk);
                }
            }
        }
        guest.flush();
        say(
                "the guest has written %s to vda: %s in %s",
                what, Quantity.bytes(written), Quantity.nanos(System.nanoTime() - began));
    }

    private static boolean isZero(final ByteBuffer bytes) {
        return ByteBuffer.allocate(bytes.remaining()).equals(bytes);
    }

    /** Answers the last epoch: nothing is written between it and the return. */
    private long checkpointUnderLoad(final QmpClient control, final BlockingGuest guest)
            throws IOException, InterruptedException {
        final Histogram durations = new Histogram(TimeUnit.MINUTES.toNanos(1), 2);
        final long began = System.nanoTime();
        guest.startLoad(1, LOAD_LENGTH);
        for (int i = 0; i < CHECKPOINTS; i++) {
            TimeUnit.MILLISECONDS.sleep(BETWEEN_CHECKPOINTS_MS);
            final JsonObject made = control.execute("x-lockstep-checkpoint", PATIENCE);
            durations.recordValue(made.get("duration-ns").getAsLong());
        }
        final long writes = guest.endLoad();
        final double seconds = (System.nanoTime() - began) / 1e9;
        say(
                "%d checkpoints while the guest wrote 4 KiB blocks to vdb at random, %.0f a second:"
                        + " p50 %s, p99 %s, max %s",
                CHECKPOINTS,
                writes / seconds,
                Quantity.nanos(durations.getValueAtPercentile(50)),
                Quantity.nanos(durations.getValueAtPercentile(99)),
                Quantity.nanos(durations.getMaxValue()));
        return control.execute("x-lockstep-checkpoint", PATIENCE).get("epoch").getAsLong();
    }

    // ---- The crash.

    private void crash(final DemoEngine primary, final BlockingGuest vda, final BlockingGuest vdb)
            throws IOException, InterruptedException {
        vda.startLoad(2, LOAD_LENGTH);
        vdb.startLoad(3, LOAD_LENGTH);
        TimeUnit.MILLISECONDS.sleep(UNCOMMITTED_MS);
        primary.kill();
        final long lost = vda.endLoad() + vdb.endLoad();
        say(
                "kill -9 of the primary in the middle of an epoch: %d writes, over the file system"
                        + " too, had been answered since the checkpoint",
                lost);
    }

    private void tellOfWhatIsRolledBack(final long epoch) throws IOException {
        long primaryBlocks = 0;
        long secondaryBlocks = 0;
        for (final String disk : DISKS) {
            primaryBlocks +=
                    DemoImage.differingBlocks(file("primary", disk), file("checkpoint", disk));
            secondaryBlocks +=
                    DemoImage.differingBlocks(file("secondary", disk), file("checkpoint", disk));
        }
        if (isShared) {
            say("since epoch %d: %d blocks of the disks differ", epoch, secondaryBlocks);
        } else {
            say(
                    "since epoch %d: %d blocks differ on the primary's disks, %d on the"
                            + " secondary's disks, speculatively",
                    epoch, primaryBlocks, secondaryBlocks);
        }
        say("the secondary's disks as they are now: %s", shown(sums("secondary")));
        check("something is there to be rolled back", secondaryBlocks > 0);
    }

    private void failOver(final List<String> wanted, final long epoch)
            throws IOException, InterruptedException {
        try (QmpClient control = DemoEngine.control(path("secondary.qmp"))) {
            final long began = System.nanoTime();
            final long reached =
                    control.execute("x-lockstep-failover", failover(), PATIENCE)
                            .getAsJsonObject()
                            .get("epoch")
                            .getAsLong();
            final long served = System.nanoTime() - began;
            check("failover went to epoch " + epoch, reached == epoch);
            final List<String> seen = new ArrayList<>();
            for (final String disk : DISKS) {
                try (BlockingGuest guest = BlockingGuest.connect(path("secondary.guest"), disk)) {
                    seen.add(DemoImage.sumOf(guest, DISK_LENGTH));
                }
            }
            say(
                    "failover to epoch %d: the guest is served after %s, while the buffers are"
                            + " merged",
                    reached, Quantity.nanos(served));
            say("the secondary's guest sees:                     %s", shown(seen));
            awaitMerge(control);
            final List<String> merged = sums("secondary");
            say("the secondary's disks hold, merged:             %s", shown(merged));
            check("the guest of the secondary sees the checkpoint", seen.equals(wanted));
            check("the disks of the secondary hold the checkpoint", merged.equals(wanted));
        }
        if (DemoImage.canCheck()) {
            check(
                    "e2fsck finds nothing wrong with the secondary's vda",
                    DemoImage.isClean(file("secondary", DISKS.get(0))));
        }
        check("the buffers are gone", !Files.exists(path("secondary.buffers")));
    }

    /** Who shares its disks asks whether the primary writes no more; it is dead. */
    private JsonObject failover() {
        final JsonObject arguments = new JsonObject();
        if (isShared) {
            arguments.addProperty("fenced", true);
        }
        return arguments;
    }

    // ---- The return of the side that died.

    /** The guest has gone on at the other one meanwhile. */
    private void comeBack(final long epoch) throws IOException, InterruptedException {
        try (QmpClient control = DemoEngine.control(path("secondary.qmp"))) {
            final long writes;
            try (BlockingGuest guest =
                    BlockingGuest.connect(path("secondary.guest"), DISKS.get(1))) {
                guest.startLoad(4, LOAD_LENGTH);
                TimeUnit.MILLISECONDS.sleep(UNCOMMITTED_MS);
                writes = guest.endLoad();
            }
            final long differing = differingBlocks();
            say(
                    "the guest goes on: %d more writes"
                            + (isShared ? "" : "; " + differing + " blocks differ now"),
                    writes);
            final long began = System.nanoTime();
            returned = start("primary", "secondary");
            returned.awaitReady();
            awaitEqual(control);
            final long reached =
                    control.execute("x-lockstep-checkpoint", PATIENCE).get("epoch").getAsLong();
            say(
                    "the old primary, started again with its same command, is the secondary, and"
                            + " equal after %s: %s were sent of %s",
                    Quantity.nanos(System.nanoTime() - began),
                    Quantity.bytes(isShared ? 0 : receivedBytes()),
                    Quantity.bytes(DISKS.size() * DISK_LENGTH));
            check("checkpoints go on: epoch " + reached, reached > epoch);
        }
        check("the disks of both are equal", sums("primary").equals(sums("secondary")));
    }

    private long differingBlocks() throws IOException {
        long blocks = 0;
        for (final String disk : DISKS) {
            blocks += DemoImage.differingBlocks(file("primary", disk), file("secondary", disk));
        }
        return blocks;
    }

    private static void awaitEqual(final QmpClient control)
            throws IOException, InterruptedException {
        await(
                control,
                "the old primary does not become equal",
                status -> status.get("linked").getAsBoolean() && !status.has("synchronisation"));
    }

    /** What the stream has written to the returned node's disks. */
    private long receivedBytes() throws IOException, InterruptedException {
        long bytes = 0;
        try (QmpClient control = DemoEngine.control(path("primary.qmp"))) {
            for (final JsonElement disk :
                    control.execute("x-lockstep-status", PATIENCE).getAsJsonArray("disks")) {
                bytes += disk.getAsJsonObject().get("written-bytes").getAsLong();
            }
        }
        return bytes;
    }

    private static void awaitMerge(final QmpClient control)
            throws IOException, InterruptedException {
        await(
                control,
                "the merge does not come to its end",
                status -> !status.get("state").getAsString().equals("merging"));
    }

    private static void await(
            final QmpClient control, final String failure, final Predicate<JsonObject> isReached)
            throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!isReached.test(control.execute("x-lockstep-status", PATIENCE))) {
            if (System.nanoTime() - deadline > 0) {
                throw new IOException(failure);
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MS);
        }
    }

    // ---- Files.

    private Path path(final String name) {
        return directory.resolve(name);
    }

    private Path file(final String side, final String disk) {
        final boolean isOfBoth = isShared && !side.equals("checkpoint");
        return directory.resolve((isOfBoth ? "shared" : side) + "-" + disk + ".img");
    }

    private String uri(final String socket) {
        return "nbd+unix:///?socket=" + path(socket);
    }

    private List<String> sums(final String side) throws IOException {
        final List<String> sums = new ArrayList<>();
        for (final String disk : DISKS) {
            sums.add(DemoImage.sumOf(file(side, disk)));
        }
        return sums;
    }

    private void keepCopies() throws IOException {
        for (final String disk : DISKS) {
            Files.copy(file("primary", disk), file("checkpoint", disk));
        }
    }

    private static String shown(final List<String> sums) {
        return String.join(
                " ", sums.stream().map(sum -> sum.substring(0, SUM_SHOWN) + "…").toList());
    }

    // ---- Words.

    private void say(final String format, final Object... values) {
        final PrintWriter out = spec.commandLine().getOut();
        out.println(
                String.format(Locale.ROOT, "%5.1f s  ", (System.nanoTime() - start) / 1e9)
                        + String.format(Locale.ROOT, format, values));
        out.flush();
    }

    private void check(final String what, final boolean isSo) {
        isWrong |= !isSo;
        say("%s  %s", isSo ? "ok   " : "WRONG", what);
    }

    private <T extends AutoCloseable> T keep(final T toClose) {
        synchronized (open) {
            open.addFirst(toClose);
        }
        return toClose;
    }

    /** Ends what runs and removes the directory; from the signal's thread as well. */
    private void cleanUp() {
        synchronized (open) {
            for (final AutoCloseable each : open) {
                closeQuietly(each);
            }
            open.clear();
            if (directory != null && Files.exists(directory)) {
                removeDirectory();
            }
        }
    }

    private static void closeQuietly(final AutoCloseable each) {
        try {
            each.close();
        } catch (final Exception e) {
            System.err.println("lockstep demo: " + e);
        }
    }

    private void removeDirectory() {
        try {
            DirectoryTree.remove(directory);
        } catch (final IOException e) {
            System.err.println("lockstep demo: cannot remove " + directory + ": " + e);
        }
    }
}
