package io.lockstep.engine.loop;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
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
    private static final int UNIX_SOCKET_MODE = 0xc000;
    private static final int MODE_TYPE = 0xf000;

    private final NioLoop loop;
    private final ServerSocketChannel channel;
    private final Endpoint endpoint;
    private final IoLoop.AcceptHandler handler;
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
    }

    static NioListener open(
            final NioLoop loop, final Endpoint endpoint, final IoLoop.AcceptHandler handler)
            throws IOException {
        ServerSocketChannel channel = null;
        try {
            // No pattern switch here and in connect: linking one takes longer than the rest of a
            // start.
            final Endpoint bound;
            if (endpoint instanceof Endpoint.Tcp(String host, int port)) {
                channel = ServerSocketChannel.open();
                channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
                channel.bind(address(host, port), BACKLOG);
                final int boundPort = ((InetSocketAddress) channel.getLocalAddress()).getPort();
                bound = new Endpoint.Tcp(host, boundPort);
            } else {
                final Path path = ((Endpoint.Unix) endpoint).path();
                channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                removeStaleSocket(path);
                channel.bind(UnixDomainSocketAddress.of(path), BACKLOG);
                bound = endpoint;
            }
            channel.configureBlocking(false);
            final NioListener listener = new NioListener(loop, channel, bound, handler);
            listener.key = loop.register(channel, listener);
            return listener;
        } catch (final IOException e) {
            NioLoop.closeQuietly(channel);
            throw new IOException("cannot listen on " + endpoint + ": " + reason(e), e);
        }
    }

    private static SocketAddress address(final String host, final int port) throws IOException {
        if (host.isEmpty()) {
            return new InetSocketAddress(port);
        }
        final InetAddress address = InetAddress.getByName(host);
        AddressFamilies.require(address);
        return new InetSocketAddress(address, port);
    }

    private static String reason(final IOException e) {
        if (e instanceof UnknownHostException) {
            return "unknown host";
        }
        final String message = String.valueOf(e.getMessage());
        if (e instanceof BindException || message.contains("in use")) {
            return message.contains("in use")
                    ? "somebody else listens there; stop that program or choose another address"
                    : message;
        }
        return message.startsWith("Unix domain path too long")
                ? "the path is too long for a Unix socket; choose a shorter one"
                : message;
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
            probe.connect(UnixDomainSocketAddress.of(path));
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
        } catch (final IOException e) {
            // Out of descriptors, most likely: the backlog waits until some are given back.
            loop.report(new IOException("cannot accept on " + endpoint + ": " + e.getMessage(), e));
            key.interestOps(0);
            loop.schedule(ACCEPT_RETRY_NANOS, this::acceptAgain);
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
