package io.lockstep.bench.load;

import io.lockstep.bench.report.Measurement;
import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.NbdUri;
import io.lockstep.nbd.ReplyStyle;

import org.HdrHistogram.Histogram;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A guest that always has as many requests in flight as its depth says, and sends the next one when
 * one is answered: {@link NbdClient}s on one loop. It costs less of a core than fio does, and so
 * shows more of the server; and it can be paused.
 *
 * <p>A request's latency counts from when its place was free: so a pause counts, and so does the
 * flush behind a write. What the flushes took of that is kept besides.
 *
 * <p>{@link #run} is for one thread, once; {@link #pause} and {@link #resume} for another.
 */
public final class EagerGuest implements PausableGuest, NbdClient.Listener, AutoCloseable {
    static final long SPIN_NANOS = 20_000;
    private static final long LATENCY_MAX_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final long DEADLINE_SECONDS = 60;
    private static final long FLUSH = 1;

    private final Work work;
    private final long area;
    private final long countMax;
    private final long nanosMax;
    private final IoBuffer buffer;
    private final SplittableRandom random;
    private final Histogram latencies = new Histogram(LATENCY_MAX_NANOS, 3);
    private final Histogram flushLatencies = new Histogram(LATENCY_MAX_NANOS, 3);
    private final List<Throwable> errors = new ArrayList<>();
    private final CountDownLatch closed;
    private final NioLoop loop;
    private RateSteps steps;

    /** Those that it goes through, in this order; null for places as they come. */
    private int[] places;

    private volatile String failure = "";

    // The loop's.
    private final List<NbdClient> clients = new ArrayList<>();
    private final List<Slot> held = new ArrayList<>();
    private final int[] sinceFlush;
    private final int[] slotsAtWork;
    private long startNanos;
    private long endNanos;
    private long submitted;
    private long nextSequential;
    private int inFlight;
    private boolean isPaused;
    private CompletableFuture<Void> whenQuiet;

    /**
     * What it does.
     *
     * @param isWrite writes, or else reads
     * @param isRandom at random places, or else one behind the other
     * @param blockLength of each, in bytes
     * @param depth in flight on each connection
     * @param connections how many there are
     * @param flushEvery how many writes of a connection a flush follows; 0: none
     */
    public record Work(
            boolean isWrite,
            boolean isRandom,
            int blockLength,
            int depth,
            int connections,
            int flushEvery) {
        static Work of(final Cell cell, final int flushEvery) {
            return new Work(
                    cell.write(),
                    cell.isRandom(),
                    cell.blockLength(),
                    cell.depth(),
                    cell.connections(),
                    cell.write() ? flushEvery : 0);
        }
    }

    /**
     * A guest that has not begun, and ends when one of the two is reached.
     *
     * @param area at the export's start that it uses, in bytes
     * @param countMax requests
     * @param nanosMax time, in nanoseconds
     * @param seed of the places
     * @param spinNanos how long it looks for answers before it sleeps
     */
    EagerGuest(
            final Work work,
            final long area,
            final long countMax,
            final long nanosMax,
            final long seed,
            final long spinNanos)
            throws IOException {
        this.work = work;
        this.area = area;
        this.countMax = countMax;
        this.nanosMax = nanosMax;
        random = new SplittableRandom(seed);
        sinceFlush = new int[work.connections()];
        slotsAtWork = new int[work.connections()];
        Arrays.fill(slotsAtWork, work.depth());
        closed = new CountDownLatch(work.connections());
        buffer = IoBuffer.reserve(work.blockLength() * work.depth() * work.connections());
        buffer.segment().fill((byte) 0x5a);
        loop = new NioLoop(OwnLoad.THREAD, spinNanos, this::onError);
    }

    /** One that goes on for some time. */
    public static EagerGuest forSeconds(
            final Work work, final long area, final double seconds, final long seed)
            throws IOException {
        return new EagerGuest(work, area, Long.MAX_VALUE, (long) (seconds * 1e9), seed, SPIN_NANOS);
    }

    /** One that makes so many requests. */
    public static EagerGuest forCount(
            final Work work, final long area, final long count, final long seed)
            throws IOException {
        return new EagerGuest(work, area, count, Long.MAX_VALUE, seed, SPIN_NANOS);
    }

    /**
     * One that makes so many requests, and sleeps whenever it waits for an answer, as clients by
     * libnbd do: it leaves its core to those who are to answer.
     */
    public static EagerGuest asleepBetween(
            final Work work, final long area, final long count, final long seed)
            throws IOException {
        return new EagerGuest(work, area, count, Long.MAX_VALUE, seed, 0);
    }

    /**
     * One that makes so many requests, none of them where another was.
     *
     * @param count at most as many as there are places
     */
    public static EagerGuest onceEach(
            final Work work, final long area, final long count, final long seed)
            throws IOException {
        final EagerGuest guest = forCount(work, area, count, seed);
        if (work.isRandom()) {
            guest.places = guest.shuffled((int) (area / work.blockLength()));
        }
        return guest;
    }

    private int[] shuffled(final int count) {
        final int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            final int other = random.nextInt(i + 1);
            order[i] = order[other];
            order[other] = i;
        }
        return order;
    }

    /** Has it count what ends, step by step; before {@link #run}. */
    public EagerGuest countInto(final RateSteps into) {
        steps = into;
        return this;
    }

    private void onError(final Throwable error) {
        errors.add(error);
        failure = "the load failed: " + error;
    }

    /** Does all of it; answers the measurement, but for the processor time. */
    public Measurement run(final String text) throws IOException, InterruptedException {
        final NbdUri uri = NbdUri.parse(text);
        final Endpoint endpoint = GuestEndpoint.of(uri);
        loop.start();
        loop.execute(() -> connect(endpoint, uri.exportName()));
        final long seconds =
                nanosMax == Long.MAX_VALUE ? 0 : TimeUnit.NANOSECONDS.toSeconds(nanosMax);
        final boolean ended = closed.await(seconds + DEADLINE_SECONDS, TimeUnit.SECONDS);
        if (!failure.isEmpty()) {
            throw new IOException(failure, errors.isEmpty() ? null : errors.getFirst());
        }
        if (!ended) {
            throw new IOException("the load did not end; " + text + " answers no more");
        }
        return Measurement.of(latencies, seconds(), work.blockLength());
    }

    /** How many it did; when {@link #run} has ended. */
    public long requests() {
        return latencies.getTotalCount();
    }

    /** What its flushes came to, but for the processor time; when {@link #run} has ended. */
    public Measurement flushes() {
        return Measurement.of(flushLatencies, seconds(), 0);
    }

    /** How long that took, pauses and all; when {@link #run} has ended. */
    public double seconds() {
        return (endNanos - startNanos) / 1e9;
    }

    private void connect(final Endpoint endpoint, final String export) {
        // Structured replies, as libnbd and with it fio ask for.
        final ClientOptions options =
                ClientOptions.use(export).withReplyStyle(ReplyStyle.STRUCTURED);
        final ClientLimits limits = ClientLimits.DEFAULT.withInFlightMax(work.depth());
        for (int i = 0; i < work.connections(); i++) {
            NbdClient.connect(loop, endpoint, options, limits, this);
        }
    }

    @Override
    public void onReady(final NbdClient client) {
        clients.add(client);
        if (clients.size() == work.connections()) {
            startNanos = System.nanoTime();
            for (int connection = 0; connection < clients.size(); connection++) {
                for (int place = 0; place < work.depth(); place++) {
                    new Slot(connection, place).next(startNanos);
                }
                clients.get(connection).send();
            }
        }
    }

    @Override
    public void onClosed(final NbdClient client, final String reason) {
        if (!reason.isEmpty()) {
            failure = reason;
        }
        closed.countDown();
        tellIfQuiet();
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
        try {
            quiet.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        } catch (final ExecutionException e) {
            throw new IOException("the load: " + e.getCause().getMessage(), e);
        } catch (final TimeoutException e) {
            throw new IOException("the load's disk answers no more", e);
        }
    }

    private void tellIfQuiet() {
        if (whenQuiet != null && (inFlight == 0 || closed.getCount() == 0)) {
            whenQuiet.complete(null);
            whenQuiet = null;
        }
    }

    @Override
    public void resume() {
        loop.execute(
                () -> {
                    isPaused = false;
                    held.forEach(Slot::begin);
                    held.clear();
                    clients.stream().filter(NbdClient::isReady).forEach(NbdClient::send);
                });
    }

    @Override
    public void close() {
        // The loop may still use the buffer until it has ended.
        loop.close();
        buffer.close();
    }

    private long nextOffset() {
        if (places != null) {
            return (long) places[(int) nextSequential++] * work.blockLength();
        }
        final long blocks = area / work.blockLength();
        return (work.isRandom() ? random.nextLong(blocks) : nextSequential++ % blocks)
                * work.blockLength();
    }

    private static void record(final Histogram histogram, final long nanos) {
        histogram.recordValue(Math.min(nanos, LATENCY_MAX_NANOS));
    }

    /** One request at a time, again and again. */
    private final class Slot implements Disk.Completion {
        private final NbdClient client;
        private final int connection;
        private final int position;
        private long freeNanos;
        private long flushNanos;

        Slot(final int connection, final int place) {
            this.connection = connection;
            client = clients.get(connection);
            position = (connection * work.depth() + place) * work.blockLength();
        }

        void next(final long nowNanos) {
            freeNanos = nowNanos;
            if (isPaused) {
                held.add(this);
            } else {
                begin();
            }
        }

        void begin() {
            final long now = System.nanoTime();
            if (submitted >= countMax || now - startNanos >= nanosMax) {
                endNanos = now;
                leaveIfLast();
                return;
            }
            submitted++;
            final int length = work.blockLength();
            submit(
                    work.isWrite()
                            ? client.write(nextOffset(), length, buffer, position, 0, this, 0)
                            : client.read(nextOffset(), length, buffer, position, this, 0));
        }

        /** A flush may be due behind the writes of the others; a client that leaves takes none. */
        private void leaveIfLast() {
            if (--slotsAtWork[connection] == 0) {
                client.disconnect();
            }
        }

        private void submit(final boolean isTaken) {
            if (isTaken) {
                inFlight++;
            } else {
                client.abort("the client takes no request though its slot is free");
            }
        }

        @Override
        public void onComplete(final long token, final int errno) {
            inFlight--;
            if (token == FLUSH && errno == 0) {
                record(flushLatencies, System.nanoTime() - flushNanos);
            }
            if (errno != 0) {
                if (client.isReady()) {
                    client.abort("a request failed: " + Errno.name(errno));
                }
            } else if (token != FLUSH
                    && work.flushEvery() > 0
                    && ++sinceFlush[connection] == work.flushEvery()) {
                sinceFlush[connection] = 0;
                flushNanos = System.nanoTime();
                submit(client.flush(this, FLUSH));
            } else {
                final long now = System.nanoTime();
                record(latencies, now - freeNanos);
                if (steps != null) {
                    steps.count(now);
                }
                next(now);
            }
            tellIfQuiet();
        }
    }
}
