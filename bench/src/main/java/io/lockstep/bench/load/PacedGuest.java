package io.lockstep.bench.load;

import io.lockstep.bench.report.Measurement;
import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.NbdUri;

import org.HdrHistogram.Histogram;
import org.HdrHistogram.SingleWriterRecorder;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/**
 * A guest that writes 4 KiB at random at a steady rate, whatever the disk does. A write's latency
 * counts from the moment at which it was due, not from the one at which it could be sent: a disk
 * that stalls is charged with every write that fell due meanwhile, so nothing is omitted. What was
 * never served counts with the time that it has waited at the end. A write that a flush follows is
 * done when that is.
 *
 * <p>It can be paused, as a hypervisor pauses its guest for a checkpoint: no write is in flight
 * then, and those that fall due are late.
 *
 * <p>{@link #run}, or {@link #connect} and {@link #write}, is for one thread, {@link #pause} and
 * {@link #resume} for another, {@link #interval} for a third, {@link #end} for any.
 */
public final class PacedGuest implements PausableGuest, NbdClient.Listener, AutoCloseable {
    private static final int BLOCK_LENGTH = 4096;

    /** In flight; QEMU's server takes no more of a client. */
    private static final int DEPTH = 16;

    private static final long SPIN_NANOS = 20_000;
    private static final long LATENCY_MAX_NANOS = TimeUnit.MINUTES.toNanos(1);

    /** Of a latency, in its histograms. */
    public static final int DIGITS = 3;

    private static final long DEADLINE_SECONDS = 60;

    private static final long FLUSH = 1;

    private final double perSecond;
    private final int flushEvery;
    private final long blocks;
    private final long durationNanos;
    private final SplittableRandom random;
    private final IoBuffer buffer = IoBuffer.reserve(BLOCK_LENGTH);
    private final Histogram latencies = new Histogram(LATENCY_MAX_NANOS, DIGITS);
    private final SingleWriterRecorder intervals =
            new SingleWriterRecorder(LATENCY_MAX_NANOS, DIGITS);
    private final CompletableFuture<NbdClient> ready = new CompletableFuture<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final NioLoop loop;
    private volatile boolean isCutShort;

    // The loop's.
    private NbdClient client;
    private final ArrayDeque<Long> due = new ArrayDeque<>();
    private int inFlight;
    private int sinceFlush;
    private boolean isPaused;
    private boolean isOver;
    private CompletableFuture<Void> whenQuiet;

    /**
     * A guest of an export; {@link #run} starts it.
     *
     * @param perSecond writes that fall due
     * @param flushEvery how many writes a flush follows; 0: none
     * @param area how much of the export it writes, in bytes
     */
    public PacedGuest(
            final double perSecond,
            final int flushEvery,
            final long area,
            final double seconds,
            final long seed)
            throws IOException {
        this.perSecond = perSecond;
        this.flushEvery = flushEvery;
        blocks = area / BLOCK_LENGTH;
        durationNanos = (long) (seconds * 1e9);
        random = new SplittableRandom(seed);
        loop = new NioLoop("lockstep-guest", SPIN_NANOS, this::fail);
        loop.start();
    }

    private void fail(final Throwable cause) {
        ready.completeExceptionally(cause);
        ended.completeExceptionally(cause);
    }

    /** Connects, and writes until the time is over; answers as {@link #write}. */
    public Measurement run(final String text) throws IOException, InterruptedException {
        connect(text);
        return write();
    }

    /** Connects to an export, and waits until it is served; writes nothing yet. */
    public void connect(final String text) throws IOException, InterruptedException {
        final NbdUri uri = NbdUri.parse(text);
        loop.execute(
                () ->
                        NbdClient.connect(
                                loop,
                                GuestEndpoint.of(uri),
                                ClientOptions.use(uri.exportName()),
                                ClientLimits.DEFAULT.withInFlightMax(DEPTH),
                                this));
        await(ready);
    }

    /**
     * Writes until the time is over, or until {@link #end}; answers the measurement, but for the
     * processor time. Once, when it is connected.
     */
    public Measurement write() throws IOException, InterruptedException {
        final long count = pace();
        loop.execute(this::endOfTime);
        await(ended);
        return measured(latencies, count / perSecond);
    }

    /** From now on no write falls due, whatever time is left. */
    public void end() {
        isCutShort = true;
    }

    /**
     * On the calling thread: a late answer can't hold it back. Answers how many writes fell due.
     */
    private long pace() {
        sleepPrecisely();
        final long start = System.nanoTime();
        final long count = (long) (perSecond * durationNanos / 1e9);
        long paced = 0;
        while (paced < count && !ended.isDone() && !isCutShort) {
            final long dueNanos = start + (long) (paced * 1e9 / perSecond);
            long now = System.nanoTime();
            while (now < dueNanos) {
                LockSupport.parkNanos(dueNanos - now);
                now = System.nanoTime();
            }
            loop.execute(() -> onDue(dueNanos));
            paced++;
        }
        return paced;
    }

    /**
     * The kernel may let a thread sleep 50 µs longer than asked, to save wake-ups. Source: {@code
     * proc(5)}, timerslack_ns.
     */
    private static void sleepPrecisely() {
        try {
            final Path thread = Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName();
            Files.writeString(Path.of("/proc", thread.toString(), "timerslack_ns"), "1");
        } catch (final IOException e) {
            // Then writes go out a little late, with checkpoints as without.
        }
    }

    @Override
    public void pause() throws IOException, InterruptedException {
        final CompletableFuture<Void> quiet = new CompletableFuture<>();
        loop.execute(
                () -> {
                    isPaused = true;
                    whenQuiet = quiet;
                    tellIfQuiet();
                });
        await(quiet);
    }

    @Override
    public void resume() {
        loop.execute(
                () -> {
                    isPaused = false;
                    writeDue();
                });
    }

    /** All latencies since the call before, in nanoseconds. */
    public Histogram interval() {
        return intervals.getIntervalHistogram();
    }

    /** All latencies, in nanoseconds; when {@link #run} has ended. */
    public Histogram latencies() {
        return latencies;
    }

    private static <T> T await(final CompletableFuture<T> future)
            throws IOException, InterruptedException {
        try {
            return future.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        } catch (final ExecutionException e) {
            throw new IOException("the guest: " + e.getCause().getMessage(), e);
        } catch (final TimeoutException e) {
            throw new IOException("the guest's disk answers no more", e);
        }
    }

    @Override
    public void onReady(final NbdClient connected) {
        client = connected;
        ready.complete(connected);
    }

    private void onDue(final long dueNanos) {
        due.add(dueNanos);
        writeDue();
    }

    private void writeDue() {
        if (isPaused || isOver) {
            return;
        }
        boolean written = false;
        while (!due.isEmpty() && inFlight < DEPTH) {
            write(due.poll());
            written = true;
        }
        if (written && client.isReady()) {
            client.send();
        }
    }

    private void write(final long dueNanos) {
        final Disk.Completion completion =
                new Disk.Completion() {
                    @Override
                    public void onComplete(final long token, final int errno) {
                        onWritten(this, token, dueNanos, errno);
                    }
                };
        final long offset = random.nextLong(blocks) * BLOCK_LENGTH;
        submit(client.write(offset, BLOCK_LENGTH, buffer, 0, 0, completion, 0));
    }

    private void submit(final boolean isTaken) {
        if (isTaken) {
            inFlight++;
        } else {
            client.abort("the client takes no request though its slot is free");
        }
    }

    private void onWritten(
            final Disk.Completion completion,
            final long token,
            final long dueNanos,
            final int errno) {
        inFlight--;
        if (errno != 0) {
            if (client.isReady()) {
                client.abort("a write failed: " + Errno.name(errno));
            }
            return;
        }
        if (token != FLUSH && flushEvery > 0 && ++sinceFlush == flushEvery) {
            sinceFlush = 0;
            submit(client.flush(completion, FLUSH));
            return;
        }
        record(dueNanos);
        writeDue();
        tellIfQuiet();
        leaveIfOver();
    }

    private void record(final long dueNanos) {
        final long latency = Math.clamp(System.nanoTime() - dueNanos, 0L, LATENCY_MAX_NANOS);
        latencies.recordValue(latency);
        intervals.recordValue(latency);
    }

    private void tellIfQuiet() {
        if (whenQuiet != null && inFlight == 0) {
            whenQuiet.complete(null);
            whenQuiet = null;
        }
    }

    private void endOfTime() {
        isOver = true;
        due.forEach(this::record);
        due.clear();
        leaveIfOver();
    }

    private void leaveIfOver() {
        if (isOver && inFlight == 0) {
            client.disconnect();
        }
    }

    @Override
    public void onClosed(final NbdClient closed, final String reason) {
        if (reason.isEmpty()) {
            ended.complete(null);
        } else {
            fail(new IOException(reason));
        }
        tellIfQuiet();
    }

    /** What some latencies come to, of writes that fell due in so many seconds. */
    public static Measurement measured(final Histogram latencies, final double seconds) {
        return Measurement.of(latencies, seconds, BLOCK_LENGTH);
    }

    @Override
    public void close() {
        // The loop may still use the buffer until it has ended.
        loop.close();
        buffer.close();
    }
}
