package io.lockstep.interop;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Stands between a primary and its secondary, both on Unix sockets, and can be cut. */
final class LinkProxy implements Rig.Ending {
    private static final int BUFFER_LENGTH = 1 << 16;

    private final ServerSocketChannel server;
    private final Path target;
    private final Set<Closeable> open = ConcurrentHashMap.newKeySet();
    private volatile boolean isCut;

    LinkProxy(final Path socket, final Path target) {
        this.target = target;
        try {
            server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(socket));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        start(this::accept);
    }

    private static void start(final Runnable task) {
        Thread.ofPlatform().daemon().name("proxy").start(task);
    }

    private void accept() {
        while (true) {
            try {
                final SocketChannel client = server.accept();
                open.add(client);
                if (isCut) {
                    client.close();
                    continue;
                }
                final SocketChannel peer = SocketChannel.open(UnixDomainSocketAddress.of(target));
                open.add(peer);
                start(() -> copy(client, peer));
                start(() -> copy(peer, client));
            } catch (final IOException e) {
                closeAll(); // the secondary is not there, or the test has ended
                if (!server.isOpen()) {
                    return;
                }
            }
        }
    }

    private static void copy(final SocketChannel from, final SocketChannel to) {
        final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_LENGTH);
        try (from;
                to) {
            while (from.read(buffer.clear()) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    to.write(buffer);
                }
            }
        } catch (final IOException e) {
            return; // it is cut
        }
    }

    private void closeAll() {
        for (final Closeable one : open) {
            try {
                one.close();
            } catch (final IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        open.clear();
    }

    /** Cuts what there is, and lets nothing through. */
    void cut() {
        isCut = true;
        closeAll();
    }

    /** Lets through what comes. */
    void heal() {
        isCut = false;
    }

    @Override
    public void close() {
        try {
            server.close();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        closeAll();
    }
}
