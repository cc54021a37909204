package io.lockstep.cli.run;

import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.service.LoopCall;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A load played on a small pair, both sides of it in this process: short and long writes as fast as
 * they go, reads, flushes, checkpoints ordered as managers do, and a guest on the secondary. It
 * takes less than half a second, most of it the JIT's first compiler's, which would have both cores
 * of a small host in the first moments of the real load.
 */
final class LoadRehearsal {
    private static final String DISK = "rehearsal";
    private static final long DISK_LENGTH = 8L << 20;
    private static final long BUFFER_LIMIT = 16L << 20;
    private static final int LOG_LENGTH = 4 << 20;
    private static final int CLIENTS_MAX = 4;
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    /** The first of two epochs makes fresh slots, the other one uses them again. */
    private static final int EPOCHS = 2;

    private static final long SHORT_WRITES_MILLIS = 30;

    /** One by one, of each length. */
    private static final int READS = 30;

    private LoadRehearsal() {}

    /**
     * From the first write to the end of the pair.
     *
     * @param whenLoaded runs before the pair is taken apart
     */
    static void play(final Path directory, final Runnable whenLoaded)
            throws IOException, InterruptedException {
        final Path buffers = directory.resolve("buffers");
        final EngineRun secondary = start(ForwardOptions.none(), BUFFER_LIMIT, buffers);
        try {
            secondary
                    .graph()
                    .addSecondary(DISK, image(directory, "secondary"), BufferFiles.in(buffers, 0));
            secondary.startSecondary();
            secondary.serveSecondary(
                    List.of(DISK),
                    CLIENTS_MAX,
                    List.of(link(directory)),
                    List.of(new Endpoint.Unix(directory.resolve("standby"))));
            playPrimary(directory, whenLoaded);
        } finally {
            secondary.stop();
        }
    }

    private static void playPrimary(final Path directory, final Runnable whenLoaded)
            throws IOException, InterruptedException {
        final EngineRun primary =
                start(
                        new PrimaryOptions(
                                LOG_LENGTH,
                                FullLogPolicy.BLOCK,
                                Word.NONE,
                                PrimaryOptions.LAG_LEARNED),
                        0,
                        null);
        try {
            primary.graph().addPrimary(DISK, image(directory, "primary"), link(directory));
            primary.control(directory.resolve("control"));
            awaitLink(primary);
            primary.serveGuests(List.of(new Endpoint.Unix(directory.resolve("guest"))));
            try (BlockingGuest guest = BlockingGuest.connect(directory.resolve("guest"), DISK);
                    QmpClient control = QmpClient.connect(directory.resolve("control"), TIMEOUT)) {
                load(
                        guest,
                        control,
                        BlockingGuest.BLOCK_LENGTH,
                        BlockingGuest.LOAD_DEPTH,
                        SHORT_WRITES_MILLIS);
                load(guest, control, 64 << 10, BlockingGuest.LOAD_DEPTH, 20);
                load(guest, control, BlockingGuest.CHUNK_LENGTH, 4, 10);
                loadStandby(directory);
                whenLoaded.run();
            }
        } finally {
            primary.stop();
        }
    }

    private static void awaitLink(final EngineRun primary)
            throws IOException, InterruptedException {
        final ReplicationGroup group = primary.engine().group();
        try {
            LoopCall.call(primary.engine().loop(), group::start)
                    .get(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (final ExecutionException | TimeoutException e) {
            throw new IOException("the rehearsal's pair is not linked", e);
        }
    }

    private static Path image(final Path directory, final String name) throws IOException {
        final Path image = directory.resolve(name + ".image");
        PrivateFiles.makeHole(image, DISK_LENGTH);
        return image;
    }

    private static EngineRun start(
            final PrimaryOptions options, final long bufferLimit, final Path buffers)
            throws IOException {
        return EngineRun.start(
                Console.silent(),
                CLIENTS_MAX,
                options,
                0,
                bufferLimit,
                buffers,
                new StateOptions(),
                false);
    }

    private static Endpoint link(final Path directory) {
        return new Endpoint.Unix(directory.resolve("link"));
    }

    /** On the primary, in epochs. */
    private static void load(
            final BlockingGuest guest,
            final QmpClient control,
            final int writeLength,
            final int depth,
            final long millis)
            throws IOException, InterruptedException {
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            guest.startLoad(epoch, DISK_LENGTH, writeLength, depth);
            TimeUnit.MILLISECONDS.sleep(millis);
            control.execute("xen-colo-do-checkpoint", TIMEOUT);
            control.execute("x-lockstep-checkpoint", TIMEOUT);
            guest.endLoad();
            guest.flush();
        }
        read(guest, writeLength);
    }

    /** On the secondary, whose own guest's writes stay in the active disk. */
    private static void loadStandby(final Path directory) throws IOException, InterruptedException {
        try (BlockingGuest guest = BlockingGuest.connect(directory.resolve("standby"), DISK)) {
            guest.startLoad(0, DISK_LENGTH, BlockingGuest.BLOCK_LENGTH, BlockingGuest.LOAD_DEPTH);
            TimeUnit.MILLISECONDS.sleep(SHORT_WRITES_MILLIS);
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
