package io.lockstep.engine.loop;

import io.lockstep.engine.memory.IoBuffer;

import jdk.net.ExtendedSocketOptions;

import org.agrona.ErrorHandler;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.function.Function;

/** A connection over a real socket. On its loop's thread. */
final class NioConnection implements Connection, NioLoop.ReadyHandler {
    /** Pages of a file are handed over from this length on, in bytes; shorter ones are copied. */
    private static final int HAND_OVER_LENGTH_MIN = 16 << 10;

    private final SocketChannel channel;
    private final SelectionKey key;
    private final ErrorHandler errorHandler;
    private final String peer;

    private final boolean isTcp;

    private ConnectionHandler handler;
    private int interestOps;

    NioConnection(
            final SocketChannel channel,
            final SelectionKey key,
            final String peer,
            final ErrorHandler errorHandler)
            throws IOException {
        this.channel = channel;
        this.key = key;
        this.errorHandler = errorHandler;
        this.peer = peer != null ? peer : describe(channel.getRemoteAddress());
        isTcp = channel.getRemoteAddress() instanceof InetSocketAddress;
    }

    private static String describe(final SocketAddress address) {
        if (address instanceof InetSocketAddress internet) {
            return new Endpoint.Tcp(internet.getAddress().getHostAddress(), internet.getPort())
                    .toString();
        }
        final String path = address.toString();
        return path.isEmpty() ? "on the Unix socket" : path; // who connects has no path
    }

    void handle(final ConnectionHandler connectionHandler) {
        handler = connectionHandler;
    }

    @Override
    public int receive(final IoBuffer into, final int position, final int length)
            throws IOException {
        return channel.read(into.view(position, length));
    }

    @Override
    public void acknowledge() throws IOException {
        if (isTcp) {
            channel.setOption(ExtendedSocketOptions.TCP_QUICKACK, true);
        }
    }

    @Override
    public int send(final IoBuffer from, final int position, final int length) throws IOException {
        return takesPages() && from.isOfFile() && length >= HAND_OVER_LENGTH_MIN
                ? from.handOver(position, length, channel)
                : channel.write(from.view(position, length));
    }

    @Override
    public boolean takesPages() {
        // A Unix socket takes pages for less than a copy; over TCP they cost the receiver more.
        return !isTcp;
    }

    @Override
    public void interest(final boolean readable, final boolean writable) {
        final int ops =
                (readable ? SelectionKey.OP_READ : 0) | (writable ? SelectionKey.OP_WRITE : 0);
        if (ops != interestOps && key.isValid()) {
            interestOps = ops;
            key.interestOps(ops);
        }
    }

    @Override
    public void moveTo(
            final IoLoop loop,
            final Function<Connection, ConnectionHandler> newHandler,
            final Runnable whenFailed) {
        key.cancel(); // a channel may have a key of each selector
        final NioLoop owner = (NioLoop) loop;
        owner.execute(() -> owner.take(channel, peer, newHandler, whenFailed));
    }

    @Override
    public void shutdownOutput() throws IOException {
        channel.shutdownOutput();
    }

    @Override
    public void close() {
        NioLoop.closeQuietly(channel);
    }

    @Override
    public String peer() {
        return peer;
    }

    @Override
    public void onReady(final SelectionKey readyKey) {
        try {
            final int ready = readyKey.readyOps();
            if ((ready & SelectionKey.OP_WRITE) != 0) {
                handler.onWritable();
            }
            if ((ready & SelectionKey.OP_READ) != 0 && channel.isOpen()) {
                handler.onReadable();
            }
        } catch (final RuntimeException | Error e) {
            errorHandler.onError(e);
            close();
            handler.onFailure(e);
        }
    }
}
