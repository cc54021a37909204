package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/**
 * One client of the control socket. Its commands are run one after the other, as QEMU does: nothing
 * more is read while one runs, nor while more than {@link #OUTPUT_ENOUGH} bytes wait to be sent. So
 * what a client can send costs the memory of one message and one socket call. A client that leaves
 * {@link #OUTPUT_MAX} bytes unread, which only events can come to, is cut.
 *
 * <p>A client that has enabled the capability {@code oob} is read while a command runs: up to
 * {@link #IN_FLIGHT_MAX} more wait for it, and those that it sends with {@code exec-oob} are run at
 * once, as many at a time. At either limit nothing more is read, as with QEMU.
 *
 * <p>On its loop.
 */
final class QmpSession implements ConnectionHandler {
    /** With so much to be sent no more is taken, in bytes. */
    static final int OUTPUT_ENOUGH = 64 << 10;

    /** With so much to be sent the client is cut, in bytes. */
    static final int OUTPUT_MAX = 1 << 20;

    /**
     * So many commands may wait for the one that runs, and so many run out of band, when the client
     * has enabled that; without, none.
     */
    static final int IN_FLIGHT_MAX = 8;

    /** The command that a session sees to. */
    static final String NEGOTIATE = "qmp_capabilities";

    private static final String OOB = "oob";

    /** So long a client that has ended may be waiting for its answer. */
    private static final long LINGER_NANOS = TimeUnit.SECONDS.toNanos(5);

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final QmpServer server;
    private final Connection connection;
    private final QmpFramer framer = new QmpFramer();
    private final ArrayDeque<byte[]> output = new ArrayDeque<>();
    private int outputLength;

    /** Bytes of the first in the queue that are sent. */
    private int sentOfFirst;

    /** What was received, and waits for the command before it. */
    private ByteBuffer left = NOTHING;

    /** What is to be done when the commands before it have been answered. */
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();

    private boolean negotiated;
    private boolean isOobEnabled;
    private boolean busy;
    private int outOfBandCount;
    private boolean taking;

    /** The client has sent its last byte. */
    private boolean ended;

    private boolean turnedAway;
    private boolean closed;

    /** A client that has not been greeted. */
    QmpSession(final QmpServer server, final Connection connection) {
        this.server = server;
        this.connection = connection;
    }

    /** Greets it. */
    void start(final JsonObject greeting) {
        send(greeting);
    }

    /** Tells it why it is not served, and closes. */
    void turnAway(final String sentence) {
        turnedAway = true;
        ended = true;
        send(QmpServer.error(QmpException.GENERIC, sentence, null));
    }

    // ---- What comes.

    @Override
    public void onReadable() {
        try {
            final int count = connection.receive(server.received(), 0, QmpServer.TRANSFER_LENGTH);
            if (count < 0) {
                onEnd();
            } else {
                take(server.received().view(0, count));
            }
        } catch (final IOException e) {
            close(); // the client is gone, and nobody is left to be told
        }
    }

    private void onEnd() {
        ended = true;
        server.loop().schedule(LINGER_NANOS, this::close);
        settle();
    }

    /** Runs the commands that are there, as long as it may. */
    private void take(final ByteBuffer bytes) {
        takeUntilHeldUp(bytes);
        // Where the socket took all answers at once, no event calls for the rest.
        while (!closed && left.hasRemaining() && mayTake()) {
            takeUntilHeldUp(left);
        }
    }

    private void takeUntilHeldUp(final ByteBuffer bytes) {
        taking = true;
        while (mayTake() && next(bytes)) {
            // goes on behind it
        }
        taking = false;
        if (!closed) {
            keep(bytes);
            settle();
        }
    }

    private boolean mayTake() {
        final boolean hasPlace =
                isOobEnabled
                        ? waiting.size() < IN_FLIGHT_MAX && outOfBandCount < IN_FLIGHT_MAX
                        : !busy;
        return hasPlace && !closed && !turnedAway && outputLength < OUTPUT_ENOUGH;
    }

    private boolean next(final ByteBuffer bytes) {
        switch (framer.next(bytes)) {
            case MESSAGE -> execute(framer.text());
            case ERROR -> refuseInTurn(QmpException.generic(framer.text()), null);
            case NEED_MORE -> {
                return false;
            }
        }
        return true;
    }

    @SuppressWarnings("ReferenceEquality") // what is kept already need not be copied
    private void keep(final ByteBuffer bytes) {
        if (!bytes.hasRemaining()) {
            left = NOTHING;
        } else if (bytes != left) {
            left = ByteBuffer.allocate(bytes.remaining()).put(bytes).flip();
        }
    }

    private void execute(final String text) {
        JsonElement id = null;
        try {
            final JsonElement message = QmpRequest.parse(text);
            id = message.isJsonObject() ? message.getAsJsonObject().get("id") : null;
            final QmpRequest request = QmpRequest.of(message, isOobEnabled);
            if (request.isOob()) {
                runOutOfBand(request);
            } else {
                inTurn(() -> run(request));
            }
        } catch (final QmpException e) {
            refuseInTurn(e, id);
        }
    }

    // ---- Commands in their order, and beside it.

    /** Does it when all before it have been answered. */
    private void inTurn(final Runnable turn) {
        if (busy || !waiting.isEmpty()) {
            waiting.add(turn);
        } else {
            turn.run();
        }
    }

    private void refuseInTurn(final QmpException refusal, final JsonElement id) {
        inTurn(() -> send(QmpServer.error(refusal.errorClass(), refusal.getMessage(), id)));
    }

    private void run(final QmpRequest request) {
        if (request.command().equals(NEGOTIATE) || !negotiated) {
            negotiate(request);
            return;
        }
        busy = true;
        server.run(
                request,
                answer -> {
                    busy = false;
                    onAnswer(answer);
                });
    }

    private void runOutOfBand(final QmpRequest request) {
        outOfBandCount++;
        server.run(
                request,
                answer -> {
                    outOfBandCount--;
                    onAnswer(answer);
                });
    }

    private void onAnswer(final JsonObject answer) {
        if (closed) {
            return;
        }
        send(answer);
        resume();
    }

    private void negotiate(final QmpRequest request) {
        try {
            if (negotiated) {
                throw new QmpException(
                        QmpException.COMMAND_NOT_FOUND,
                        "Capabilities negotiation is already complete, command ignored");
            }
            if (!request.command().equals(NEGOTIATE)) {
                throw new QmpException(
                        QmpException.COMMAND_NOT_FOUND,
                        "Expecting capabilities negotiation with 'qmp_capabilities'");
            }
            server.check(request);
            isOobEnabled =
                    new QmpArguments(request.arguments()).optionalStrings("enable").contains(OOB);
            negotiated = true;
            send(QmpServer.reply(new JsonObject(), request.id()));
        } catch (final QmpException e) {
            send(QmpServer.error(e.errorClass(), e.getMessage(), request.id()));
        }
    }

    private void resume() {
        while (!closed && !busy && !waiting.isEmpty() && outputLength < OUTPUT_ENOUGH) {
            waiting.remove().run();
        }
        if (!taking && left.hasRemaining() && mayTake()) {
            take(left);
        } else if (!closed) {
            settle();
        }
    }

    // ---- What goes.

    /** Sends an event, if the client has negotiated. */
    void sendEvent(final byte[] bytes) {
        if (negotiated && !closed) {
            send(bytes);
        }
    }

    private void send(final JsonObject message) {
        send(QmpServer.encode(message));
    }

    private void send(final byte[] bytes) {
        if (outputLength + bytes.length > OUTPUT_MAX) {
            close();
            return;
        }
        output.add(bytes);
        outputLength += bytes.length;
        if (!taking) {
            settle();
        }
    }

    @Override
    public void onWritable() {
        settle();
        if (!closed) {
            resume();
        }
    }

    /** Sends what can be sent, and says what is waited for. */
    private void settle() {
        try {
            while (!output.isEmpty() && transmit()) {
                // goes on with the rest
            }
        } catch (final IOException e) {
            close(); // the client is gone, and nobody is left to be told
            return;
        }
        if (ended && output.isEmpty() && isIdle() && (turnedAway || !left.hasRemaining())) {
            close();
            return;
        }
        connection.interest(!ended && mayTake() && !left.hasRemaining(), !output.isEmpty());
    }

    private boolean isIdle() {
        return !busy && waiting.isEmpty() && outOfBandCount == 0;
    }

    /** Sends once; answers whether the socket took all that it was given. */
    private boolean transmit() throws IOException {
        final ByteBuffer staged = server.toSend().view(0, QmpServer.TRANSFER_LENGTH);
        int offset = sentOfFirst;
        for (final byte[] bytes : output) {
            final int length = Math.min(staged.remaining(), bytes.length - offset);
            staged.put(bytes, offset, length);
            offset = 0;
            if (!staged.hasRemaining()) {
                break;
            }
        }
        final int length = staged.position();
        final int sent = connection.send(server.toSend(), 0, length);
        forget(sent);
        return sent == length;
    }

    private void forget(final int sent) {
        outputLength -= sent;
        int count = sent + sentOfFirst;
        while (!output.isEmpty() && count >= output.getFirst().length) {
            count -= output.removeFirst().length;
        }
        sentOfFirst = count;
    }

    // ---- The end.

    @Override
    public void onFailure(final Throwable cause) {
        close();
    }

    /** Closes at once; what a command still answers is dropped. */
    void close() {
        if (!closed) {
            closed = true;
            output.clear();
            left = NOTHING;
            connection.close();
            server.onClosed(this);
        }
    }
}
