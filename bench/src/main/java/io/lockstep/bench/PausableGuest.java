package io.lockstep.bench;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.NbdUri;

import org.HdrHistogram.Histogram;

import java.io.IOException;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A guest that writes 4 KiB at random and can be paused, as a hypervisor pauses its guest for a
 * checkpoint: no write is in flight then. A write that falls due in the pause is late by the rest
 * of it, and its latency says so.
 *
 * <p>{@link #run} is for one thread, {@link #pause} and {@link #resume} for another.
 */
final class PausableGuest implements NbdClient.Listener, AutoCloseable {
    private static final int BLOCK_LENGTH = 4096;
    private static final long SPIN_NANOS = 20_000;
    private static final long LATENCY_MAX_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final long DEADLINE_SECONDS = 60;

    private final int depth;
    private final long blocks;
    private final long durationNanos;
    private final SplittableRandom random;
    private final IoBuffer buffer = IoBuffer.reserve(BLOCK_LENGTH);
    private final Histogram latencies = new Histogram(LATENCY_MAX_NANOS, 3);
    private final CompletableFuture<Measurement> measurement = new CompletableFuture<>();
    private final NioLoop loop;

    // The loop's.
    private NbdClient client;
    private long startNanos;
    private int inFlight;
    private boolean isPaused;
    private CompletableFuture<Void> whenQuiet;
    private final long[] waitingSince;
    private int waiting;

    /**
     * A guest of an export; {@link #run} starts it.
     *
     * @param depth writes in flight
     * @param area how much of the export it writes, in bytes
     */
    PausableGuest(final int depth, final long area, final double seconds, final long seed)
            throws IOException {
        this.depth = depth;
        blocks = area / BLOCK_LENGTH;
        durationNanos = (long) (seconds * 1e9);
        random = new SplittableRandom(seed);
        waitingSince = new long[depth];
        loop = new NioLoop("lockstep-guest", SPIN_NANOS, measurement::completeExceptionally);
        loop.start();
    }

    /** Writes until the time is over; answers the measurement, but for the processor time. */
    Measurement run(final String text) throws IOException, InterruptedException {
        final NbdUri uri = NbdUri.parse(text);
        final Endpoint endpoint =
                uri.isUnix()
                        ? new Endpoint.Unix(Path.of(uri.socket()))
                        : new Endpoint.Tcp(uri.host(), uri.port());
        loop.execute(
                () ->
                        NbdClient.connect(
                                loop,
                                endpoint,
                                ClientOptions.use(uri.exportName()),
                                ClientLimits.DEFAULT.withInFlightMax(depth),
                                this));
        return await(measurement);
    }

    /** Returns when no write is in flight. */
    void pause() throws IOException, InterruptedException {
        final CompletableFuture<Void> quiet = new CompletableFuture<>();
        loop.execute(
                () -> {
                    isPaused = true;
                    whenQuiet = quiet;
                    tellIfQuiet();
                });
        await(quiet);
    }

    /** Goes on. */
    void resume() {
        loop.execute(
                () -> {
                    isPaused = false;
                    final int due = waiting;
                    waiting = 0;
                    for (int i = 0; i < due; i++) {
                        write(waitingSince[i]);
                    }
                    if (due > 0 && client.isReady()) {
                        client.send();
                    }
                });
    }

    private static <T> T await(final CompletableFuture<T> future)
            throws IOException, InterruptedException {
        try {
            return future.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        } catch (final ExecutionException e) {
            throw new IOException(e.getCause().getMessage(), e);
        } catch (final TimeoutException e) {
            throw new IOException("the guest's disk answers no more", e);
        }
    }

    @Override
    public void onReady(final NbdClient ready) {
        client = ready;
        startNanos = System.nanoTime();
        for (int slot = 0; slot < depth; slot++) {
            due(startNanos);
        }
        client.send();
    }

    private void due(final long now) {
        if (isPaused) {
            waitingSince[waiting++] = now;
        } else {
            write(now);
        }
    }

    private void write(final long dueNanos) {
        if (System.nanoTime() - startNanos >= durationNanos) {
            if (inFlight == 0) {
                client.disconnect();
            }
            return;
        }
        final Disk.Completion completion = (token, errno) -> onWritten(dueNanos, errno);
        if (client.write(
                random.nextLong(blocks) * BLOCK_LENGTH,
                BLOCK_LENGTH,
                buffer,
                0,
                0,
                completion,
                0)) {
            inFlight++;
        } else {
            client.abort("the client takes no request though its slot is free");
        }
    }

    private void onWritten(final long dueNanos, final int errno) {
        inFlight--;
        if (errno != 0) {
            if (client.isReady()) {
                client.abort("a write failed: " + Errno.name(errno));
            }
            return;
        }
        final long now = System.nanoTime();
        latencies.recordValue(Math.min(now - dueNanos, LATENCY_MAX_NANOS));
        due(now);
        tellIfQuiet();
    }

    private void tellIfQuiet() {
        if (whenQuiet != null && inFlight == 0) {
            whenQuiet.complete(null);
            whenQuiet = null;
        }
    }

    @Override
    public void onClosed(final NbdClient closed, final String reason) {
        if (reason.isEmpty()) {
            measurement.complete(measured());
        } else {
            measurement.completeExceptionally(new IOException(reason));
        }
        tellIfQuiet();
    }

    private Measurement measured() {
        final double perSecond = latencies.getTotalCount() * 1e9 / durationNanos;
        return new Measurement(
                perSecond,
                perSecond * BLOCK_LENGTH / (1 << 20),
                latencies.getValueAtPercentile(50) / 1e3,
                latencies.getValueAtPercentile(99) / 1e3,
                latencies.getValueAtPercentile(99.9) / 1e3,
                0);
    }

    @Override
    public void close() {
        // The loop may still use the buffer until it has ended.
        loop.close();
        buffer.close();
    }
}
