package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NobodyListensException;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientHandshake;
import io.lockstep.nbd.ClientOptions;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/**
 * The beginning of a client's connection: connects, and moves bytes between the socket and a {@link
 * ClientHandshake} until that has an outcome or took too long. Whoever goes on with the connection
 * then gets its events through this object, as a connection keeps its handler.
 *
 * <p>All on its loop.
 */
final class Negotiation implements IoLoop.ConnectHandler, ConnectionHandler {
    /** Hears of the outcome: one of these calls, unless {@link #cancel} came before. */
    interface Outcome {
        /**
         * The handshake has ended as it was meant to.
         *
         * @return who takes the connection's events from now on; null to have it closed
         */
        ConnectionHandler onSettled(Connection connection, ClientHandshake handshake);

        /** It came to nothing, and the connection is closed. */
        void onFailed(String reason);
    }

    private static final int BUFFER_LENGTH = 2 * ClientHandshake.MESSAGE_LENGTH_MAX;

    private final Endpoint endpoint;
    private final ClientHandshake handshake;
    private final Outcome outcome;
    private final IoBuffer input = IoBuffer.reserve(BUFFER_LENGTH);
    private final IoBuffer output = IoBuffer.reserve(BUFFER_LENGTH);
    private final IoLoop.Timer timer;

    private Connection connection;
    private ConnectionHandler successor;
    private boolean isRefused;
    private boolean over;
    private int inputStart;
    private int inputEnd;
    private int outputStart;
    private int outputEnd;

    private Negotiation(
            final IoLoop loop,
            final Endpoint endpoint,
            final ClientOptions options,
            final long timeoutNanos,
            final Outcome outcome) {
        this.endpoint = endpoint;
        this.outcome = outcome;
        handshake = new ClientHandshake(options);
        timer = loop.schedule(timeoutNanos, () -> onTimeout(timeoutNanos));
    }

    /**
     * Begins.
     *
     * @param timeoutNanos how long connecting and handshake together may take
     */
    static Negotiation start(
            final IoLoop loop,
            final Endpoint endpoint,
            final ClientOptions options,
            final long timeoutNanos,
            final Outcome outcome) {
        final Negotiation negotiation =
                new Negotiation(loop, endpoint, options, timeoutNanos, outcome);
        loop.connect(endpoint, negotiation);
        return negotiation;
    }

    /** Gives up; the outcome hears nothing. Harmless when it is over. */
    void cancel() {
        if (!over) {
            end();
            close();
        }
    }

    @Override
    public ConnectionHandler onConnected(final Connection connected) {
        if (over) {
            connected.close();
        } else {
            connection = connected;
            connection.interest(true, false);
        }
        return this;
    }

    @Override
    public void onConnectFailed(final IOException cause) {
        isRefused = cause instanceof NobodyListensException;
        fail(cause.getMessage());
    }

    /** Whether a server was there, whatever it said. */
    boolean isConnected() {
        return connection != null;
    }

    /** Whether nobody listens there. */
    boolean isRefused() {
        return isRefused;
    }

    private void onTimeout(final long timeoutNanos) {
        fail(
                "no answer from the NBD server at "
                        + endpoint
                        + " within "
                        + TimeUnit.NANOSECONDS.toMillis(timeoutNanos)
                        + " ms");
    }

    @Override
    public void onReadable() {
        if (successor != null) {
            successor.onReadable();
        } else {
            advance();
        }
    }

    @Override
    public void onWritable() {
        if (successor != null) {
            successor.onWritable();
        } else {
            advance();
        }
    }

    @Override
    public void onFailure(final Throwable cause) {
        if (successor != null) {
            successor.onFailure(cause);
        } else {
            fail("internal error: " + cause);
        }
    }

    private void advance() {
        if (over) {
            return;
        }
        try {
            exchange();
        } catch (final IOException e) {
            handshake.end();
            if (handshake.state() == ClientHandshake.State.ENDED) {
                settle(); // all is known; only the goodbye was lost
            } else {
                // What the server last did tells more than how its socket ended.
                fail(connection.peer() + ": " + handshake.failure() + " (" + e.getMessage() + ")");
            }
        }
    }

    private void exchange() throws IOException {
        boolean more = true;
        while (more && !over) {
            final boolean sent = sendOutput();
            switch (handshake.state()) {
                case NEGOTIATING -> {
                    connection.interest(true, !sent);
                    more = takeMessage() || receive();
                }
                case FAILED -> fail(connection.peer() + ": " + handshake.failure());
                case ENDED, TRANSMISSION -> settle();
            }
        }
    }

    /** Answers whether all went. What ends a session is sent as far as the socket takes it now. */
    private boolean sendOutput() throws IOException {
        while (outputStart < outputEnd || !handshake.output().isEmpty()) {
            if (outputStart == outputEnd) {
                outputStart = 0;
                outputEnd = handshake.output().take(output.segment(), 0, output.length());
            }
            final int sent = connection.send(output, outputStart, outputEnd - outputStart);
            outputStart += sent;
            if (outputStart < outputEnd) {
                return false;
            }
        }
        return true;
    }

    private boolean takeMessage() {
        final int start = inputStart;
        inputStart = (int) handshake.receive(input.segment(), inputStart, inputEnd);
        return inputStart > start || handshake.state() != ClientHandshake.State.NEGOTIATING;
    }

    /** Answers whether anything came, the end included. */
    private boolean receive() throws IOException {
        MemorySegment.copy(input.segment(), inputStart, input.segment(), 0, inputEnd - inputStart);
        inputEnd -= inputStart;
        inputStart = 0;
        final int count = connection.receive(input, inputEnd, input.length() - inputEnd);
        if (count < 0) {
            handshake.end();
            return true;
        }
        inputEnd += count;
        return count > 0;
    }

    private void settle() {
        if (inputStart < inputEnd) {
            fail(connection.peer() + ": server sent more than it was asked for");
            return;
        }
        end();
        successor = outcome.onSettled(connection, handshake);
        if (successor == null) {
            close();
        }
    }

    private void fail(final String reason) {
        if (!over) {
            end();
            close();
            outcome.onFailed(reason);
        }
    }

    private void end() {
        over = true;
        timer.cancel();
        input.close();
        output.close();
    }

    private void close() {
        if (connection != null) {
            connection.close();
        }
    }
}
