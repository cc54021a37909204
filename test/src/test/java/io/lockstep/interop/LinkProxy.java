package io.lockstep.interop;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A link between two hosts, over Unix sockets, that takes its time and can be cut: so that its ends
 * hear of it, or so that they hear nothing.
 */
final class LinkProxy implements Rig.Ending {
    private static final int CHUNK_LENGTH = 256 << 10;

    /** On the way, each way. */
    private static final int CHUNKS_MAX = 64;

    private enum State {
        UP,
        /** Connections end, and none is let in. */
        CUT,
        /** Nothing comes through, and nobody is told. */
        SILENT
    }

    private final ServerSocketChannel listener;
    private final Path to;
    private final long delayNanos;
    private final Set<SocketChannel> open = ConcurrentHashMap.newKeySet();
    private final AtomicLong carried = new AtomicLong();
    private volatile State state = State.UP;

    private LinkProxy(final ServerSocketChannel listener, final Path to, final long delayNanos) {
        this.listener = listener;
        this.to = to;
        this.delayNanos = delayNanos;
    }

    /**
     * One that is up.
     *
     * @param from where it is connected to
     * @param to where a connection then leads
     * @param delayMillis of what is sent, either way
     */
    static LinkProxy start(final Path from, final Path to, final long delayMillis) {
        try {
            final ServerSocketChannel listener =
                    ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            listener.bind(UnixDomainSocketAddress.of(from));
            final LinkProxy proxy =
                    new LinkProxy(listener, to, TimeUnit.MILLISECONDS.toNanos(delayMillis));
            Thread.ofVirtual().start(proxy::accept);
            return proxy;
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Bytes that have come through, both ways. */
    long carried() {
        return carried.get();
    }

    /** Ends all connections, and lets none in until {@link #mend}. */
    void cut() {
        state = State.CUT;
        endAll();
    }

    /** Loses what is on the way from now on, and tells nobody. */
    void silence() {
        state = State.SILENT;
    }

    void mend() {
        endAll(); // what was lost is missing in them
        state = State.UP;
    }

    private void endAll() {
        open.forEach(LinkProxy::close);
        open.clear();
    }

    private void accept() {
        while (listener.isOpen()) {
            try {
                connect(listener.accept());
            } catch (final IOException e) {
                // The listener has ended, or there is nobody at the other end: so it is with links.
            }
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // ended with the link
    private void connect(final SocketChannel near) throws IOException {
        open.add(near);
        if (state == State.CUT) {
            close(near);
            return;
        }
        if (state == State.SILENT) {
            return;
        }
        try {
            final SocketChannel far = SocketChannel.open(UnixDomainSocketAddress.of(to));
            open.add(far);
            carry(near, far);
            carry(far, near);
        } catch (final IOException e) {
            close(near);
            throw e;
        }
    }

    /** What is sent, and when it may arrive. */
    private record Chunk(long dueNanos, ByteBuffer bytes) {}

    private void carry(final SocketChannel from, final SocketChannel into) {
        final BlockingQueue<Chunk> way = new ArrayBlockingQueue<>(CHUNKS_MAX);
        Thread.ofVirtual().start(() -> receive(from, way));
        Thread.ofVirtual().start(() -> send(way, into));
    }

    private void receive(final SocketChannel from, final BlockingQueue<Chunk> way) {
        try {
            int length = 0;
            while (length >= 0) {
                final ByteBuffer bytes = ByteBuffer.allocate(CHUNK_LENGTH);
                try {
                    length = from.read(bytes);
                } catch (final IOException e) {
                    length = -1;
                }
                way.put(new Chunk(System.nanoTime() + delayNanos, bytes.flip()));
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** An empty chunk is the end. */
    private void send(final BlockingQueue<Chunk> way, final SocketChannel into) {
        try {
            boolean isOver = false;
            while (!isOver) {
                final Chunk chunk = way.take();
                TimeUnit.NANOSECONDS.sleep(chunk.dueNanos - System.nanoTime());
                isOver = !chunk.bytes.hasRemaining();
                while (state == State.UP && chunk.bytes.hasRemaining()) {
                    carried.addAndGet(into.write(chunk.bytes));
                }
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (final IOException e) {
            drain(way);
        } finally {
            if (state != State.SILENT) {
                close(into);
            }
        }
    }

    /** Whoever fills it comes to its end. */
    private static void drain(final BlockingQueue<Chunk> way) {
        try {
            while (way.take().bytes.hasRemaining()) {
                // It is lost.
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void close(final SocketChannel channel) {
        try {
            channel.close();
        } catch (final IOException e) {
            // It has ended in any case.
        }
    }

    @Override
    public void close() {
        cut();
        try {
            listener.close();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
