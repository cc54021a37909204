package io.lockstep.cli.run;

import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.service.LoopCall;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A load played on a small pair, both sides of it in this process: short and long writes as fast as
 * they go, reads, flushes, checkpoints, and a guest on the secondary. There is no control socket:
 * to bind one changes the umask of the process, which binds its real sockets meanwhile. It takes
 * less than half a second, most of it the JIT's first compiler's, which would have both cores of a
 * small host in the first moments of the real load.
 */
final class LoadRehearsal {
    private static final String DISK = "rehearsal";
    private static final long DISK_LENGTH = 8L << 20;
    private static final long BUFFER_LIMIT = 16L << 20;
    private static final int LOG_LENGTH = 4 << 20;
    private static final long SECONDS_MAX = 5;

    /** What there must be for it, several times what it takes, so that nobody misses that. */
    private static final long ROOM = 128L << 20;

    /** The first of two epochs makes fresh slots, the other one uses them again. */
    private static final int EPOCHS = 2;

    /** One by one, of each length. */
    private static final int READS = 30;

    private LoadRehearsal() {}

    /**
     * From the first write to the end of the pair.
     *
     * @param ending cuts it short
     * @param whenLoaded runs before the pair is taken apart
     * @throws IOException also where it would take room that others may need
     */
    static void play(final Path directory, final CountDownLatch ending, final Runnable whenLoaded)
            throws IOException, InterruptedException {
        if (Files.getFileStore(directory).getUsableSpace() < ROOM) {
            throw new IOException("no room for a rehearsal in " + directory);
        }
        final Path buffers = directory.resolve("buffers");
        final EngineRun secondary =
                Rehearsal.startBeside(ForwardOptions.none(), BUFFER_LIMIT, buffers);
        try {
            secondary
                    .graph()
                    .addSecondary(DISK, image(directory, "secondary"), BufferFiles.in(buffers, 0));
            secondary.startSecondary();
            secondary.serveSecondary(
                    List.of(DISK),
                    Rehearsal.CLIENTS_MAX,
                    List.of(link(directory)),
                    List.of(new Endpoint.Unix(directory.resolve("standby"))));
            playPrimary(directory, ending);
            whenLoaded.run();
        } finally {
            secondary.stop();
        }
    }

    private static void playPrimary(final Path directory, final CountDownLatch ending)
            throws IOException, InterruptedException {
        final EngineRun primary =
                Rehearsal.startBeside(
                        new PrimaryOptions(
                                LOG_LENGTH,
                                FullLogPolicy.BLOCK,
                                Word.NONE,
                                PrimaryOptions.LAG_LEARNED),
                        0,
                        null);
        try {
            primary.graph().addPrimary(DISK, image(directory, "primary"), link(directory));
            awaitLink(primary);
            primary.serveGuests(List.of(new Endpoint.Unix(directory.resolve("guest"))));
            try (BlockingGuest guest = BlockingGuest.connect(directory.resolve("guest"), DISK)) {
                final boolean goesOn =
                        load(primary, guest, BlockingGuest.BLOCK_LENGTH, 16, 30, ending)
                                && load(primary, guest, 64 << 10, 16, 20, ending)
                                && load(primary, guest, BlockingGuest.CHUNK_LENGTH, 4, 10, ending);
                if (goesOn) {
                    loadStandby(directory, ending);
                }
            }
        } finally {
            primary.stop();
        }
    }

    private static void awaitLink(final EngineRun primary)
            throws IOException, InterruptedException {
        final ReplicationGroup group = primary.engine().group();
        await(LoopCall.call(primary.engine().loop(), group::start));
    }

    private static void checkpoint(final EngineRun primary)
            throws IOException, InterruptedException {
        final ReplicationGroup group = primary.engine().group();
        await(LoopCall.call(primary.engine().loop(), group::checkpoint));
    }

    private static void await(final CompletableFuture<?> future)
            throws IOException, InterruptedException {
        try {
            future.get(SECONDS_MAX, TimeUnit.SECONDS);
        } catch (final ExecutionException | TimeoutException e) {
            throw new IOException("the rehearsal's pair does not answer", e);
        }
    }

    private static Path image(final Path directory, final String name) throws IOException {
        final Path image = directory.resolve(name + ".image");
        PrivateFiles.makeHole(image, DISK_LENGTH);
        return image;
    }

    private static Endpoint link(final Path directory) {
        return new Endpoint.Unix(directory.resolve("link"));
    }

    /** On the primary, in epochs. Answers whether there is more to come. */
    private static boolean load(
            final EngineRun primary,
            final BlockingGuest guest,
            final int writeLength,
            final int depth,
            final long millis,
            final CountDownLatch ending)
            throws IOException, InterruptedException {
        boolean isEnding = false;
        for (int epoch = 0; epoch < EPOCHS && !isEnding; epoch++) {
            guest.startLoad(epoch, DISK_LENGTH, writeLength, depth);
            isEnding = ending.await(millis, TimeUnit.MILLISECONDS);
            checkpoint(primary);
            guest.endLoad();
            guest.flush();
        }
        if (!isEnding) {
            read(guest, writeLength);
        }
        return !isEnding;
    }

    /** On the secondary, whose own guest's writes stay in the active disk. */
    private static void loadStandby(final Path directory, final CountDownLatch ending)
            throws IOException, InterruptedException {
        try (BlockingGuest guest = BlockingGuest.connect(directory.resolve("standby"), DISK)) {
            guest.startLoad(0, DISK_LENGTH, BlockingGuest.BLOCK_LENGTH, 16);
            ending.await(30, TimeUnit.MILLISECONDS);
            guest.endLoad();
            read(guest, BlockingGuest.BLOCK_LENGTH);
        }
    }

    private static void read(final BlockingGuest guest, final int length)
            throws IOException, InterruptedException {
        for (int i = 0; i < READS; i++) {
            guest.read((long) i * length % DISK_LENGTH, length);
        }
    }
}
