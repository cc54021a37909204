package io.lockstep.bench.load;

import io.lockstep.bench.peer.BenchServer;
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
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Our own load generator: {@link NbdClient}s on one loop, each with its depth of requests in
 * flight. It costs less of a core than fio does, and so shows more of the server.
 */
public final class OwnLoad implements Load {
    /** Name of the thread that does it all. */
    public static final String THREAD = "lockstep-load";

    private static final long SPIN_NANOS = 20_000;
    private static final long LATENCY_MAX_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final long DEADLINE_SECONDS = 60;

    @Override
    public String name() {
        return "own";
    }

    @Override
    public Measurement run(final String uri, final Cell cell, final double seconds)
            throws IOException, InterruptedException {
        return run(uri, cell, BenchServer.DISK_LENGTH, Long.MAX_VALUE, (long) (seconds * 1e9));
    }

    /**
     * Does a number of requests, however long it takes.
     *
     * @param uri of an export
     * @param area at the export's start in which they are, in bytes
     * @param write writes, or else reads
     * @param blockLength of each in bytes; at random places with 4 KiB, one behind the other else
     * @param depth in flight on each connection
     * @throws IOException where the server fails one
     */
    public static void requests(
            final String uri,
            final long area,
            final boolean write,
            final int blockLength,
            final int depth,
            final int connections,
            final long count)
            throws IOException, InterruptedException {
        run(uri, new Cell(write, blockLength, depth, connections), area, count, Long.MAX_VALUE);
    }

    /** Writes so many blocks of 4 KiB somewhere in an area at the export's start. */
    public static void scatter(final String uri, final long area, final long count)
            throws IOException, InterruptedException {
        run(uri, new Cell(true, 4 << 10, 16, 1), area, count, Long.MAX_VALUE);
    }

    /** Writes blocks of 4 KiB somewhere in an area at the export's start, for some time. */
    public static Measurement flood(final String uri, final long area, final double seconds)
            throws IOException, InterruptedException {
        return run(
                uri, new Cell(true, 4 << 10, 16, 1), area, Long.MAX_VALUE, (long) (seconds * 1e9));
    }

    /** Writes every byte of an area at the export's start once; a multiple of 1 MiB. */
    public static void fill(final String uri, final long area)
            throws IOException, InterruptedException {
        final int length = 1 << 20;
        run(uri, new Cell(true, length, 4, 1), area, area / length, Long.MAX_VALUE);
    }

    private static Measurement run(
            final String text,
            final Cell cell,
            final long area,
            final long countMax,
            final long nanosMax)
            throws IOException, InterruptedException {
        final NbdUri uri = NbdUri.parse(text);
        final Endpoint endpoint = GuestEndpoint.of(uri);
        final List<Throwable> errors = new ArrayList<>();
        try (NioLoop loop = new NioLoop(THREAD, SPIN_NANOS, errors::add);
                Pump pump = new Pump(loop, cell, area, countMax, nanosMax)) {
            loop.start();
            loop.execute(() -> pump.connect(endpoint, uri.exportName()));
            final boolean ended = pump.await();
            if (!errors.isEmpty()) {
                throw new IOException("the load failed: " + errors.getFirst(), errors.getFirst());
            }
            if (!ended) {
                throw new IOException("the load did not end; " + text + " answers no more");
            }
            return pump.measurement();
        }
    }

    /**
     * All connections of a run, and their figures. On its loop's thread, but for {@link #await}.
     */
    private static final class Pump implements NbdClient.Listener, AutoCloseable {
        private final NioLoop loop;
        private final Cell cell;
        private final long area;
        private final long countMax;
        private final long nanosMax;
        private final IoBuffer buffer;
        private final SplittableRandom random = new SplittableRandom(1);
        private final Histogram latencies = new Histogram(LATENCY_MAX_NANOS, 3);
        private final CountDownLatch closed;
        private int ready;
        private long startNanos;
        private long lastNanos;
        private long submitted;
        private long nextSequential;
        private volatile String failure = "";

        Pump(
                final NioLoop loop,
                final Cell cell,
                final long area,
                final long countMax,
                final long nanosMax) {
            this.loop = loop;
            this.cell = cell;
            this.area = area;
            this.countMax = countMax;
            this.nanosMax = nanosMax;
            buffer = IoBuffer.reserve(cell.blockLength() * cell.depth() * cell.connections());
            buffer.segment().fill((byte) 0x5a);
            closed = new CountDownLatch(cell.connections());
        }

        void connect(final Endpoint endpoint, final String export) {
            // Structured replies, as libnbd and with it fio ask for.
            final ClientOptions options =
                    ClientOptions.use(export).withReplyStyle(ReplyStyle.STRUCTURED);
            final ClientLimits limits = ClientLimits.DEFAULT.withInFlightMax(cell.depth());
            for (int i = 0; i < cell.connections(); i++) {
                NbdClient.connect(loop, endpoint, options, limits, this);
            }
        }

        private final List<NbdClient> clients = new ArrayList<>();

        @Override
        public void onReady(final NbdClient client) {
            clients.add(client);
            if (++ready == cell.connections()) {
                startNanos = System.nanoTime();
                for (int connection = 0; connection < ready; connection++) {
                    for (int slot = 0; slot < cell.depth(); slot++) {
                        final int index = connection * cell.depth() + slot;
                        new Slot(clients.get(connection), index).next();
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
        }

        boolean await() throws InterruptedException, IOException {
            final boolean ended = closed.await(DEADLINE_SECONDS, TimeUnit.SECONDS);
            if (!failure.isEmpty()) {
                throw new IOException(failure);
            }
            return ended;
        }

        Measurement measurement() {
            final double seconds = (lastNanos - startNanos) / 1e9;
            final double perSecond = latencies.getTotalCount() / seconds;
            return new Measurement(
                    perSecond,
                    perSecond * cell.blockLength() / (1 << 20),
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

        private long nextOffset() {
            final long blocks = area / cell.blockLength();
            return (cell.isRandom() ? random.nextLong(blocks) : nextSequential++ % blocks)
                    * cell.blockLength();
        }

        /** One request at a time, again and again. */
        private final class Slot implements Disk.Completion {
            private final NbdClient client;
            private final int position;
            private long submittedNanos;

            Slot(final NbdClient client, final int index) {
                this.client = client;
                position = index * cell.blockLength();
            }

            void next() {
                submittedNanos = System.nanoTime();
                if (submitted >= countMax || submittedNanos - startNanos >= nanosMax) {
                    client.disconnect();
                    return;
                }
                submitted++;
                final int length = cell.blockLength();
                final boolean taken =
                        cell.write()
                                ? client.write(nextOffset(), length, buffer, position, 0, this, 0)
                                : client.read(nextOffset(), length, buffer, position, this, 0);
                if (!taken) {
                    client.abort("the client takes no request though its slot is free");
                }
            }

            @Override
            public void onComplete(final long token, final int errno) {
                if (errno != 0) {
                    if (client.isReady()) {
                        client.abort("a request failed: " + Errno.name(errno));
                    }
                    return;
                }
                lastNanos = System.nanoTime();
                latencies.recordValue(Math.min(lastNanos - submittedNanos, LATENCY_MAX_NANOS));
                next();
            }
        }
    }
}
