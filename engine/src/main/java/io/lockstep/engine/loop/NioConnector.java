package io.lockstep.engine.loop;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnknownHostException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A connection of a {@link NioLoop} under way: to the first address of a name that takes it. On its
 * loop's thread, but for the look-up of a name, which can take long. Its handler hears one outcome.
 */
final class NioConnector implements NioLoop.ReadyHandler {
    private final NioLoop loop;
    private final Endpoint endpoint;
    private final IoLoop.ConnectHandler handler;

    /** The addresses of a host, and which comes next. */
    private InetAddress[] addresses = {};

    private int next;

    private SocketChannel channel;
    private boolean settled;

    private NioConnector(
            final NioLoop loop, final Endpoint endpoint, final IoLoop.ConnectHandler handler) {
        this.loop = loop;
        this.endpoint = endpoint;
        this.handler = handler;
    }

    /** Begins; the handler is not called before this returns. */
    static void start(
            final NioLoop loop, final Endpoint endpoint, final IoLoop.ConnectHandler handler) {
        final NioConnector connector = new NioConnector(loop, endpoint, handler);
        if (!(endpoint instanceof Endpoint.Tcp(String host, int port))) {
            connector.attempt();
            return;
        }
        try {
            connector.addresses = new InetAddress[] {InetAddress.ofLiteral(host)};
            connector.attempt();
        } catch (final IllegalArgumentException isName) {
            Thread.ofVirtual().start(() -> connector.lookUp(host));
        }
    }

    private void lookUp(final String host) {
        try {
            final InetAddress[] found = InetAddress.getAllByName(host);
            loop.execute(
                    () -> {
                        addresses = found;
                        attempt();
                    });
        } catch (final UnknownHostException e) {
            loop.execute(() -> handler.onConnectFailed(failure(e)));
        }
    }

    /** Tries the next address. */
    private void attempt() {
        settled = false;
        try {
            final boolean isConnected;
            final SelectionKey key;
            // No pattern switch: linking one takes longer than the rest of a start.
            if (endpoint instanceof Endpoint.Tcp(String host, int port)) {
                final InetAddress address = addresses[next++];
                channel = null;
                channel = AddressFamilies.open(address);
                key = register();
                isConnected = channel.connect(new InetSocketAddress(address, port));
            } else {
                channel = SocketChannel.open(StandardProtocolFamily.UNIX);
                key = register();
                isConnected = UnixSocketPath.connect(channel, ((Endpoint.Unix) endpoint).path());
            }
            if (isConnected) {
                // At once, as Unix sockets are: go on as if the selector had said so.
                loop.execute(() -> onReady(key));
            }
        } catch (final IOException | IllegalArgumentException e) {
            settled = true; // of a socket that connects nowhere the selector says that it is ready
            loop.execute(() -> fail(e));
        }
    }

    private SelectionKey register() throws IOException {
        channel.configureBlocking(false);
        return loop.register(channel, SelectionKey.OP_CONNECT, this);
    }

    @Override
    public void onReady(final SelectionKey key) {
        final NioConnection connection;
        try {
            if (settled || !channel.finishConnect()) {
                return;
            }
            settled = true;
            connection = loop.connected(channel, key, peer());
        } catch (final IOException e) {
            fail(e);
            return;
        }
        connection.handle(handler.onConnected(connection));
    }

    /** What to call the other end; null for its address. */
    private String peer() {
        return endpoint instanceof Endpoint.Unix ? endpoint.toString() : null;
    }

    private void fail(final Exception cause) {
        settled = true;
        NioLoop.closeQuietly(channel);
        if (next < addresses.length) {
            attempt();
        } else {
            handler.onConnectFailed(failure(cause));
        }
    }

    private boolean isPathGone() {
        return endpoint instanceof Endpoint.Unix(Path path) && Files.notExists(path);
    }

    private IOException failure(final Exception cause) {
        final IOException failure = new SocketFailure("connect to", endpoint).of(cause);
        final boolean isRefused = cause instanceof ConnectException || isPathGone();
        return isRefused ? new NobodyListensException(failure.getMessage(), cause) : failure;
    }
}
