package io.lockstep.engine.loop;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** A listening socket of a {@link NioLoop}. */
final class NioListener implements IoLoop.Listener, NioLoop.ReadyHandler {
    private static final int BACKLOG = 1024;
    private static final int ACCEPTS_PER_EVENT = 64;
    private static final long ACCEPT_RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /** One is told at once, and one in so long a time while they go on. */
    private static final long FAILURE_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final int UNIX_SOCKET_MODE = 0xc000;
    private static final int MODE_TYPE = 0xf000;

    private final NioLoop loop;
    private final ServerSocketChannel channel;
    private final Endpoint endpoint;
    private final IoLoop.AcceptHandler handler;
    private final SocketFailure failure;
    private final MessageLimit failures = new MessageLimit(1, FAILURE_NANOS);
    private SelectionKey key;

    private NioListener(
            final NioLoop loop,
            final ServerSocketChannel channel,
            final Endpoint endpoint,
            final IoLoop.AcceptHandler handler) {
        this.loop = loop;
        this.channel = channel;
        this.endpoint = endpoint;
        this.handler = handler;
        failure = new SocketFailure("accept on", endpoint);
    }

    static NioListener open(
            final NioLoop loop, final Endpoint endpoint, final IoLoop.AcceptHandler handler)
            throws IOException {
        ServerSocketChannel channel = null;
        try {
            // No pattern switch: linking one takes longer than the rest of a start.
            final Endpoint bound;
            if (endpoint instanceof Endpoint.Tcp(String host, int port)) {
                channel = openTcp(host, port);
                final int boundPort = ((InetSocketAddress) channel.getLocalAddress()).getPort();
                bound = new Endpoint.Tcp(host, boundPort);
            } else {
                final Path path = ((Endpoint.Unix) endpoint).path();
                channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                removeStaleSocket(path);
                UnixSocketPath.bind(channel, path, BACKLOG);
                bound = endpoint;
            }
            channel.configureBlocking(false);
            final NioListener listener = new NioListener(loop, channel, bound, handler);
            listener.key = loop.register(channel, SelectionKey.OP_ACCEPT, listener);
            return listener;
        } catch (final IOException | IllegalArgumentException e) {
            NioLoop.closeQuietly(channel);
            throw new SocketFailure("listen on", endpoint).of(e);
        }
    }

    /** At every address of the host where none is named, and otherwise in the address's family. */
    private static ServerSocketChannel openTcp(final String host, final int port)
            throws IOException {
        final InetAddress address = host.isEmpty() ? null : InetAddress.getByName(host);
        if (address != null) {
            AddressFamilies.require(address);
        }
        final ServerSocketChannel channel =
                address == null
                        ? ServerSocketChannel.open()
                        : ServerSocketChannel.open(AddressFamilies.of(address));
        boolean bound = false;
        try {
            channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
            channel.bind(new InetSocketAddress(address, port), BACKLOG);
            bound = true;
            return channel;
        } finally {
            if (!bound) {
                channel.close();
            }
        }
    }

    /**
     * A socket whose server was killed is in the way of the next one: nobody listens there any
     * more.
     */
    private static void removeStaleSocket(final Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        final int mode = (int) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
        if ((mode & MODE_TYPE) != UNIX_SOCKET_MODE) {
            throw new IOException(
                    "a file is in the way that is no socket; remove it or choose another path");
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            UnixSocketPath.connect(probe, path);
        } catch (final java.net.ConnectException refused) {
            Files.deleteIfExists(path);
        }
    }

    @Override
    public Endpoint endpoint() {
        return endpoint;
    }

    @Override
    public void onReady(final SelectionKey readyKey) {
        try {
            for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
                final SocketChannel accepted = channel.accept();
                if (accepted == null) {
                    return;
                }
                handler.onAccept(new AcceptedChannel(accepted));
            }
        } catch (final IOException | OutOfMemoryError | LinkageError e) {
            // Out of descriptors, most likely, also for a class to load: the backlog waits until
            // some are given back.
            reportFailure(e);
            key.interestOps(0);
            loop.schedule(ACCEPT_RETRY_NANOS, this::acceptAgain);
        }
    }

    private void reportFailure(final Throwable cause) {
        final String hint =
                String.valueOf(cause.getMessage()).contains("open files")
                        ? "; clients wait until some are closed; raise the limit (ulimit -n)"
                        : "";
        final String sentence =
                failures.take(failure.of(cause).getMessage() + hint, loop.nanoTime());
        if (sentence != null) {
            loop.report(new IOException(sentence, cause));
        }
    }

    private void acceptAgain() {
        if (key.isValid()) {
            key.interestOps(SelectionKey.OP_ACCEPT);
        }
    }

    @Override
    public void close() {
        if (!channel.isOpen()) {
            return;
        }
        NioLoop.closeQuietly(channel);
        if (endpoint instanceof Endpoint.Unix(Path path)) {
            path.toFile().delete();
        }
    }

    /** A channel without a loop. */
    private record AcceptedChannel(SocketChannel channel) implements IoLoop.Accepted {
        @Override
        public void open(
                final IoLoop target,
                final Function<Connection, ConnectionHandler> connectionHandler) {
            final NioLoop owner = (NioLoop) target;
            owner.execute(() -> owner.adopt(channel, connectionHandler));
        }

        @Override
        public void refuse() {
            NioLoop.closeQuietly(channel);
        }
    }
}
