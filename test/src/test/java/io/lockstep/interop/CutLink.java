package io.lockstep.interop;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A link between two Unix sockets that a test can cut: what has been carried is on the other side,
 * and both ends are closed. Threads of its own carry the bytes.
 */
final class CutLink implements Rig.Ending {
    private static final int PORTION = 64 << 10;

    private final ServerSocketChannel listener;
    private final Path target;
    private final List<SocketChannel> channels = new CopyOnWriteArrayList<>();
    private final AtomicInteger connections = new AtomicInteger();

    private CutLink(final ServerSocketChannel listener, final Path target) {
        this.listener = listener;
        this.target = target;
    }

    /** One that is listened on, and leads to a server's socket. */
    static CutLink to(final Path target, final Path socket) {
        try {
            final ServerSocketChannel listener =
                    ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            listener.bind(UnixDomainSocketAddress.of(socket));
            final CutLink link = new CutLink(listener, target);
            Thread.ofVirtual().start(link::accept);
            return link;
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void accept() {
        try {
            while (true) {
                final SocketChannel one = listener.accept();
                final SocketChannel other = SocketChannel.open(UnixDomainSocketAddress.of(target));
                channels.addAll(List.of(one, other));
                connections.incrementAndGet();
                Thread.ofVirtual().start(() -> carry(one, other));
                Thread.ofVirtual().start(() -> carry(other, one));
            }
        } catch (final IOException e) {
            // It is closed.
        }
    }

    private static void carry(final SocketChannel from, final SocketChannel to) {
        final ByteBuffer portion = ByteBuffer.allocate(PORTION);
        try (from;
                to) {
            while (from.read(portion.clear()) >= 0) {
                portion.flip();
                while (portion.hasRemaining()) {
                    to.write(portion);
                }
            }
        } catch (final IOException e) {
            // It is cut.
        }
    }

    /** How often somebody has connected. */
    int connections() {
        return connections.get();
    }

    /** Ends what is connected now; whoever connects again is carried. */
    void cut() {
        for (final SocketChannel channel : channels) {
            try {
                channel.close();
            } catch (final IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        channels.clear();
    }

    @Override
    public void close() {
        try {
            listener.close();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        cut();
    }
}
