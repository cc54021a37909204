package io.lockstep.bench.limits;

import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * What a machine's memory and sockets carry at most, in MiB a second.
 *
 * @param memory copied by one core, more than its caches hold
 * @param file written by one core into a file in memory that has its pages
 * @param unix from one thread to another through a Unix socket
 * @param tcp from one thread to another through loopback TCP
 */
record MachineLimits(double memory, double file, double unix, double tcp) {
    private static final int MEBIBYTE = 1 << 20;
    private static final int PIECES = 128;

    /** Measures each for some time. */
    static MachineLimits measure(final Path folder, final double seconds)
            throws IOException, InterruptedException {
        try (Arena arena = Arena.ofShared()) {
            final MemorySegment source = arena.allocate((long) PIECES * MEBIBYTE, MEBIBYTE);
            source.fill((byte) 0x5a);
            return new MachineLimits(
                    memory(arena, source, seconds),
                    file(folder.resolve("limits"), source, seconds),
                    socket(
                            StandardProtocolFamily.UNIX,
                            UnixDomainSocketAddress.of(folder.resolve("limits-socket")),
                            source,
                            seconds),
                    socket(
                            StandardProtocolFamily.INET,
                            new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0),
                            source,
                            seconds));
        }
    }

    /** Moves the piece of that number. */
    private interface Mover {
        void move(int piece) throws IOException;
    }

    /** Moves pieces of 1 MiB until the time is over; answers how many a second. */
    private static double rate(final double seconds, final Mover mover) throws IOException {
        final long nanos = (long) (seconds * 1e9);
        final long start = System.nanoTime();
        long count = 0;
        long now = start;
        while (now - start < nanos) {
            mover.move((int) (count % PIECES));
            count++;
            now = System.nanoTime();
        }
        return count * 1e9 / (now - start);
    }

    private static double memory(
            final Arena arena, final MemorySegment source, final double seconds)
            throws IOException {
        final MemorySegment target = arena.allocate(source.byteSize(), MEBIBYTE);
        target.fill((byte) 1);
        return rate(
                seconds,
                piece -> {
                    final long at = (long) piece * MEBIBYTE;
                    MemorySegment.copy(source, at, target, at, MEBIBYTE);
                });
    }

    private static double file(final Path path, final MemorySegment source, final double seconds)
            throws IOException {
        Files.newByteChannel(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE).close();
        final int fd = Posix.open(path.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        final Mover mover =
                piece -> {
                    final long at = (long) piece * MEBIBYTE;
                    if (Posix.pwrite(fd, source.address() + at, MEBIBYTE, at) != MEBIBYTE) {
                        throw new IOException("cannot write " + path);
                    }
                };
        try {
            for (int piece = 0; piece < PIECES; piece++) {
                mover.move(piece);
            }
            return rate(seconds, mover);
        } finally {
            Posix.close(fd);
            Files.delete(path);
        }
    }

    private static double socket(
            final StandardProtocolFamily family,
            final SocketAddress address,
            final MemorySegment source,
            final double seconds)
            throws IOException, InterruptedException {
        try (ServerSocketChannel server = ServerSocketChannel.open(family).bind(address);
                SocketChannel sender = SocketChannel.open(server.getLocalAddress());
                SocketChannel receiver = server.accept()) {
            sender.setOption(StandardSocketOptions.SO_SNDBUF, MEBIBYTE);
            final Thread thread = new Thread(() -> receive(receiver), "lockstep-receiver");
            thread.start();
            final double rate =
                    rate(
                            seconds,
                            piece -> {
                                final ByteBuffer bytes =
                                        source.asSlice((long) piece * MEBIBYTE, MEBIBYTE)
                                                .asByteBuffer();
                                while (bytes.hasRemaining()) {
                                    sender.write(bytes);
                                }
                            });
            sender.shutdownOutput();
            thread.join();
            return rate;
        } finally {
            if (address instanceof UnixDomainSocketAddress unix) {
                Files.deleteIfExists(unix.getPath());
            }
        }
    }

    /** Takes all there is, and forgets it. */
    private static void receive(final SocketChannel receiver) {
        final ByteBuffer bytes = ByteBuffer.allocateDirect(MEBIBYTE);
        try {
            while (receiver.read(bytes.clear()) >= 0) {
                // On.
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
