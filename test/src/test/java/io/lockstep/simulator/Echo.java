package io.lockstep.simulator;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;

/** The smallest protocol that needs both events of a connection: every byte comes back. */
final class Echo {
    static final Endpoint ENDPOINT = new Endpoint.Tcp("server", 7);

    private static final int BUFFER_LENGTH = 1000;

    private Echo() {}

    static IoLoop.Listener listen(final SimulatedLoop loop) {
        try {
            return loop.listen(
                    new Endpoint.Tcp("", 7),
                    accepted -> accepted.open(loop, connection -> new Server(connection)));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sends back what it gets; ends when its client has ended. */
    private static final class Server implements ConnectionHandler {
        private final Connection connection;
        private final IoBuffer buffer = IoBuffer.reserve(BUFFER_LENGTH);
        private int head;
        private int tail;
        private boolean ended;

        Server(final Connection connection) {
            this.connection = connection;
            connection.interest(true, false);
        }

        @Override
        public void onReadable() {
            try {
                final int count = connection.receive(buffer, tail, BUFFER_LENGTH - tail);
                if (count < 0) {
                    ended = true;
                } else {
                    tail += count;
                }
                onWritable();
            } catch (final IOException e) {
                connection.close();
            }
        }

        @Override
        public void onWritable() {
            try {
                head += connection.send(buffer, head, tail - head);
                if (head == tail) {
                    head = 0;
                    tail = 0;
                    if (ended) {
                        connection.shutdownOutput();
                        connection.close();
                        return;
                    }
                }
                connection.interest(!ended && tail < BUFFER_LENGTH, head < tail);
            } catch (final IOException e) {
                connection.close();
            }
        }

        @Override
        public void onFailure(final Throwable cause) {}
    }

    /** Sends its bytes, ends, and collects what comes back. */
    static final class Client implements IoLoop.ConnectHandler, ConnectionHandler {
        final ByteArrayOutputStream received = new ByteArrayOutputStream();
        IOException failure;
        boolean ended;

        private boolean silent;
        private final IoBuffer sending;
        private final IoBuffer buffer = IoBuffer.reserve(BUFFER_LENGTH);
        private Connection connection;
        private int sent;

        Client(final byte[] bytes) {
            sending = IoBuffer.reserve(bytes.length);
            sending.segment().asByteBuffer().put(bytes);
        }

        /** Sends nothing at all. */
        void keepSilent() {
            silent = true;
        }

        @Override
        public ConnectionHandler onConnected(final Connection connected) {
            connection = connected;
            connection.interest(true, !silent);
            return this;
        }

        @Override
        public void onConnectFailed(final IOException cause) {
            failure = cause;
        }

        @Override
        public void onWritable() {
            try {
                sent += connection.send(sending, sent, sending.length() - sent);
                if (sent == sending.length()) {
                    connection.shutdownOutput();
                    connection.interest(true, false);
                }
            } catch (final IOException e) {
                fail(e);
            }
        }

        @Override
        public void onReadable() {
            try {
                final int count = connection.receive(buffer, 0, BUFFER_LENGTH);
                if (count < 0) {
                    ended = true;
                    connection.close();
                } else {
                    received.writeBytes(
                            buffer.segment().asSlice(0, count).toArray(ValueLayout.JAVA_BYTE));
                }
            } catch (final IOException e) {
                fail(e);
            }
        }

        private void fail(final IOException cause) {
            failure = cause;
            connection.close();
        }

        @Override
        public void onFailure(final Throwable cause) {}

        boolean isOver() {
            return ended || failure != null;
        }
    }
}
