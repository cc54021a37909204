package io.lockstep.bench.compare;

import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.peer.NewDisk;
import io.lockstep.bench.report.DiskImages;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * What a replicated write costs on this machine whoever does it: its payload goes over a Unix
 * socket and is written to one disk, goes over another socket and is written to the other disk, and
 * where that holds data, the block's old content is kept in a new file in memory. Each core has one
 * thread that does all of this in turn by plain system calls: no protocol, no order, and nobody
 * waits for anybody.
 *
 * <p>It is what the kernel takes for the copies and for the pages that are touched for the first
 * time, and so about the most that a product can do that copies once at each of these places.
 */
final class BareCalls {
    private static final int PIECE_LENGTH = 64 << 10;
    private static final int SOCKET_BUFFER_LENGTH = 1 << 20;

    private final DiskImages disks;
    private final long diskLength;

    /** On disks such as these. */
    BareCalls(final DiskImages disks, final long diskLength) {
        this.disks = disks;
        this.diskLength = diskLength;
    }

    /**
     * Does such writes as fast as they go, on new disks.
     *
     * @return how many a second, and the processor time of one; no latencies
     */
    Outcome measure(final WriteLoad load, final double seconds, final long seed)
            throws IOException, InterruptedException {
        try (MemoryFolder folder = MemoryFolder.in(disks.directory());
                MemoryFolder buffers = new MemoryFolder()) {
            for (final String disk : List.of("primary", "secondary")) {
                NewDisk.make(folder.path().resolve(disk), diskLength, disks.isSparse(), false);
            }
            return measure(folder.path(), buffers.path(), load, seconds, seed);
        }
    }

    private Outcome measure(
            final Path folder,
            final Path buffers,
            final WriteLoad load,
            final double seconds,
            final long seed)
            throws IOException, InterruptedException {
        final int cores = Runtime.getRuntime().availableProcessors();
        final long area = diskLength / cores / load.blockLength() * load.blockLength();
        final List<Callable<Done>> threads = new ArrayList<>();
        for (int core = 0; core < cores; core++) {
            final int number = core;
            threads.add(
                    () -> {
                        try (Writer writer =
                                new Writer(
                                        folder,
                                        buffers,
                                        load,
                                        !disks.isSparse(),
                                        number,
                                        area,
                                        seed)) {
                            return writer.run(seconds);
                        }
                    });
        }
        double writesPerSecond = 0;
        double cpuMicros = 0;
        try (ExecutorService executor = Executors.newFixedThreadPool(cores)) {
            for (final Future<Done> future : executor.invokeAll(threads)) {
                final Done done = future.get();
                writesPerSecond += done.writesPerSecond();
                cpuMicros += done.cpuMicros() / cores;
            }
        } catch (final ExecutionException e) {
            throw new IOException("bare calls fail: " + e.getCause().getMessage(), e);
        }
        final double mebibytes = writesPerSecond * load.blockLength() / (1 << 20);
        return new Outcome(
                new Measurement(writesPerSecond, mebibytes, 0, 0, 0, cpuMicros), List.of(), 0);
    }

    /** What one thread did. */
    private record Done(double writesPerSecond, double cpuMicros) {}

    /** A Unix socket's two ends. */
    private record Hop(SocketChannel sender, SocketChannel receiver) implements AutoCloseable {
        static Hop open(final Path path) throws IOException {
            try (ServerSocketChannel server =
                    ServerSocketChannel.open(StandardProtocolFamily.UNIX)
                            .bind(UnixDomainSocketAddress.of(path))) {
                final SocketChannel sender = SocketChannel.open(server.getLocalAddress());
                sender.setOption(StandardSocketOptions.SO_SNDBUF, SOCKET_BUFFER_LENGTH);
                return new Hop(sender, server.accept());
            } finally {
                Files.deleteIfExists(path);
            }
        }

        /** There is room for a piece: nobody waits. */
        void send(final ByteBuffer piece) throws IOException {
            while (piece.hasRemaining()) {
                sender.write(piece);
            }
        }

        void receive(final ByteBuffer piece) throws IOException {
            while (piece.hasRemaining()) {
                receiver.read(piece);
            }
        }

        @Override
        public void close() throws IOException {
            try (sender;
                    receiver) {
                // Both.
            }
        }
    }

    /** One thread's. */
    private static final class Writer implements AutoCloseable {
        private final WriteLoad load;
        private final boolean keepsOld;
        private final long start;
        private final int blocks;
        private final SplittableRandom random;
        private final Hop guest;
        private final Hop link;
        private final FileChannel primary;
        private final FileChannel secondary;
        private final FileChannel kept;
        private final Arena arena = Arena.ofConfined();
        private final ByteBuffer payload = buffer();
        private final ByteBuffer received = buffer();
        private final ByteBuffer old = buffer();

        /** What was kept. */
        private final BitSet isKept = new BitSet();

        private long next;
        private long guestNanos;

        Writer(
                final Path folder,
                final Path buffers,
                final WriteLoad load,
                final boolean keepsOld,
                final int number,
                final long area,
                final long seed)
                throws IOException {
            this.load = load;
            this.keepsOld = keepsOld;
            start = number * area;
            blocks = (int) (area / load.blockLength());
            random = new SplittableRandom(seed * 31 + number);
            guest = Hop.open(buffers.resolve("guest" + number));
            link = Hop.open(buffers.resolve("link" + number));
            primary = FileChannel.open(folder.resolve("primary"), StandardOpenOption.WRITE);
            secondary =
                    FileChannel.open(
                            folder.resolve("secondary"),
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
            kept =
                    FileChannel.open(
                            buffers.resolve("kept" + number),
                            StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.WRITE);
        }

        private ByteBuffer buffer() {
            return arena.allocate(PIECE_LENGTH, 4096).fill((byte) 0x5a).asByteBuffer();
        }

        Done run(final double seconds) throws IOException {
            final long nanos = (long) (seconds * 1e9);
            final long cpuBefore = cpuNanos();
            final long began = System.nanoTime();
            long writes = 0;
            while (System.nanoTime() - began < nanos) {
                write();
                writes++;
                if (load.flushEvery() > 0 && writes % load.flushEvery() == 0) {
                    primary.force(false);
                }
            }
            final double elapsed = (System.nanoTime() - began) / 1e9;
            final long cpu = cpuNanos() - cpuBefore - guestNanos;
            return new Done(writes / elapsed, cpu / 1e3 / writes);
        }

        private static long cpuNanos() {
            return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        }

        private void write() throws IOException {
            final int block = (int) (load.isRandom() ? random.nextInt(blocks) : next++ % blocks);
            final long at = start + (long) block * load.blockLength();
            final int piece = Math.min(PIECE_LENGTH, load.blockLength());
            final boolean isFirst = keepsOld && !isKept.get(block);
            for (int done = 0; done < load.blockLength(); done += piece) {
                final long now = System.nanoTime();
                guest.send(payload.limit(piece).position(0));
                guestNanos += System.nanoTime() - now; // the guest's own, not the pair's
                guest.receive(received.limit(piece).position(0));
                primary.write(received.flip(), at + done);
                link.send(received.rewind());
                link.receive(received.rewind());
                if (isFirst) {
                    keep(at + done, piece);
                }
                secondary.write(received.rewind(), at + done);
            }
            isKept.set(block);
        }

        private void keep(final long at, final int piece) throws IOException {
            secondary.read(old.limit(piece).position(0), at);
            kept.write(old.flip());
        }

        @Override
        public void close() throws IOException {
            try (arena;
                    guest;
                    link;
                    primary;
                    secondary;
                    kept) {
                // All of them.
            }
        }
    }
}
