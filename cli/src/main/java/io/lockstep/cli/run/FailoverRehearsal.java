package io.lockstep.cli.run;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.secondary.BufferFiles;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A failover played on a small secondary. It is the one thing that a standby does but once, and
 * then in a hurry.
 */
public final class FailoverRehearsal {
    private static final String DISK = "rehearsal";
    private static final long DISK_LENGTH = 4L << 20;
    private static final long BUFFER_LIMIT = 8L << 20;
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    /** What there is to merge, of the primary's and of the guest's. */
    private static final int WRITES_BEFORE = 50;

    /** Of the guest, while the merge goes on and after it. */
    private static final int WRITES_BEHIND = 400;

    /** All but the first are accepted, and change nothing. */
    private static final int ORDERS = 200;

    private FailoverRehearsal() {}

    /** From the first write to the end of the merge. */
    static void play(final Path directory) throws IOException, InterruptedException {
        final Path image = directory.resolve("image");
        PrivateFiles.makeHole(image, DISK_LENGTH);
        final Path buffers = directory.resolve("buffers");
        final EngineRun run = Rehearsal.startBeside(ForwardOptions.none(), BUFFER_LIMIT, buffers);
        try {
            run.graph().addSecondary(DISK, image, BufferFiles.in(buffers, 0));
            run.startSecondary();
            run.serveSecondary(
                    List.of(DISK),
                    Rehearsal.CLIENTS_MAX,
                    List.of(new Endpoint.Unix(directory.resolve("stream"))),
                    List.of(new Endpoint.Unix(directory.resolve("guest"))));
            run.control(directory.resolve("control"));
            failOver(directory);
        } finally {
            run.stop();
        }
    }

    private static void failOver(final Path directory) throws IOException, InterruptedException {
        try (BlockingGuest guest = BlockingGuest.connect(directory.resolve("guest"), DISK);
                QmpClient control = QmpClient.connect(directory.resolve("control"), TIMEOUT)) {
            try (BlockingGuest primary = BlockingGuest.connect(directory.resolve("stream"), DISK)) {
                write(primary, WRITES_BEFORE);
                control.execute("xen-colo-do-checkpoint", TIMEOUT);
                write(primary, WRITES_BEFORE);
            }
            write(guest, WRITES_BEFORE);
            orderFailover(control);
            write(guest, WRITES_BEHIND);
            for (int i = 0; i < ORDERS; i++) {
                orderFailover(control);
            }
            awaitMerge(control, TIMEOUT);
        }
    }

    private static void write(final BlockingGuest disk, final int count)
            throws IOException, InterruptedException {
        final ByteBuffer block = ByteBuffer.allocate(BlockingGuest.BLOCK_LENGTH);
        for (int i = 0; i < count; i++) {
            disk.write((long) i * BlockingGuest.BLOCK_LENGTH, block);
        }
    }

    /** Waits until the secondary has merged its buffers, or the time is up. */
    public static void awaitMerge(final QmpClient control, final Duration timeout)
            throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + timeout.toNanos();
        while (!isAlone(control) && System.nanoTime() < deadline) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    private static boolean isAlone(final QmpClient control) throws IOException {
        return control.execute("x-lockstep-status", TIMEOUT)
                .get("state")
                .getAsString()
                .equals("alone");
    }

    /**
     * Orders a failover in each of the ways that there are. The first counts, the others are
     * accepted.
     */
    public static void orderFailover(final QmpClient control) throws IOException {
        final JsonObject stop = new JsonObject();
        stop.addProperty("enable", false);
        stop.addProperty("primary", false);
        stop.addProperty("failover", true);
        control.execute("xen-set-replication", stop, TIMEOUT);
        control.execute("x-colo-lost-heartbeat", TIMEOUT);
        control.execute("x-lockstep-failover", new JsonObject(), TIMEOUT);
    }
}
