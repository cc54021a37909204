package io.lockstep.engine.client;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientHandshake;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.ClientTransmission;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.PendingRequest;
import io.lockstep.nbd.PendingRequests;
import io.lockstep.nbd.RequestEncoder;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * A client of one export of an NBD server, over one connection: requests are made one after the
 * other, without waiting, and complete in any order.
 *
 * <p>Each request method answers whether the request was taken: not where {@link
 * ClientLimits#inFlightMax} are in flight, and not before {@link Listener#onReady} or after {@link
 * #disconnect}; then nothing happened, and the next completion is the time to try again. A request
 * that was taken completes exactly once: as its reply says, or with {@link Errno#ESHUTDOWN} when
 * the connection ends before. Memory that it names belongs to the client until then. Requests made
 * in a completion go out together when all completions of one receive have run; those made
 * elsewhere wait for {@link #send}.
 *
 * <p>Whoever calls keeps to what the server said in {@link #negotiated}: ranges within the export
 * and on its block size, reads and writes up to {@code payloadLengthMax}, other ranges up to {@code
 * effectLengthMax}, and only what was offered.
 *
 * <p>Everything, listeners included, is called on the loop's thread. In steady state nothing is
 * allocated. Source: {@code doc/proto.md}, "Transmission".
 */
public final class NbdClient {
    /** Hears how the connection fares. */
    public interface Listener {
        /** The handshake is done: requests are taken. */
        void onReady(NbdClient client);

        /**
         * The connection has ended, or never stood; all requests have completed. The last call.
         *
         * @param reason a sentence; empty where it ended because of {@link #disconnect}
         */
        void onClosed(NbdClient client, String reason);
    }

    /** Takes the extents of a block status as they come. */
    public interface ExtentHandler {
        /**
         * One extent. Those of one context come in order, the first at the request's offset.
         *
         * @param token of the request
         * @param contextId of {@link ClientNegotiated#contexts}
         */
        void onExtent(long token, int contextId, long offset, long length, long flags);
    }

    /** Room for what is staged, beyond which requests wait for the socket; in bytes. */
    private static final int STAGING_LENGTH = 512 << 10;

    /** With so much staged it is sent, though more requests may follow; in bytes. */
    private static final int STAGED_ENOUGH = 128 << 10;

    /** Room for what is received: replies without data and the beginning of long ones; in bytes. */
    private static final int RECEIVE_LENGTH = 64 << 10;

    /** Of data under way so much must be missing for it to be received where it belongs. */
    private static final int DIRECT_LENGTH_MIN = 8 << 10;

    /** Receives in a row before other connections of the loop have their turn. */
    private static final int RECEIVES_PER_EVENT = 16;

    private enum Phase {
        CONNECTING,
        READY,
        /** Takes no more requests; leaves when those in flight have completed. */
        LEAVING,
        /** All that is left to do is to send the goodbye. */
        PARTING,
        CLOSED
    }

    private final IoLoop loop;
    private final ClientLimits limits;
    private final Listener listener;
    private final Negotiation negotiation;

    private Phase phase = Phase.CONNECTING;
    private Connection connection;
    private ClientNegotiated negotiated;
    private ClientTransmission transmission;
    private RequestEncoder encoder;
    private IoBuffer received;
    private int receivedStart;
    private int receivedEnd;
    private SendQueue sendQueue;
    private boolean sendBlocked;
    private boolean busy;
    private String leaveReason = "";

    // Requests in flight, and what belongs to each by its index.
    private final PendingRequests pending;
    private final Disk.Completion[] completions;
    private final long[] tokens;
    private final MemorySegment[] targets;
    private final IoBuffer[] targetBuffers;
    private final long[] targetPositions;

    /** Of a write whose payload stays where it is: where that ends in the send queue. */
    private final long[] payloadEnds;

    private final ExtentHandler[] extentHandlers;
    private final String[] errorTexts;
    private String errorText = "";

    private NbdClient(
            final IoLoop loop,
            final Endpoint endpoint,
            final ClientOptions options,
            final ClientLimits limits,
            final Listener listener) {
        if (options.goal() != ClientOptions.Goal.TRANSMISSION) {
            throw new IllegalArgumentException("options of ClientOptions.use are needed");
        }
        this.loop = loop;
        this.limits = limits;
        this.listener = listener;
        final int capacity = limits.inFlightMax();
        pending = new PendingRequests(capacity);
        completions = new Disk.Completion[capacity];
        tokens = new long[capacity];
        targets = new MemorySegment[capacity];
        targetBuffers = new IoBuffer[capacity];
        targetPositions = new long[capacity];
        payloadEnds = new long[capacity];
        extentHandlers = new ExtentHandler[capacity];
        errorTexts = new String[capacity];
        negotiation =
                Negotiation.start(
                        loop, endpoint, options, limits.handshakeNanos(), new Settlement());
    }

    /**
     * Connects, without waiting.
     *
     * @param options of {@link ClientOptions#use}
     * @param listener hears how it goes
     */
    public static NbdClient connect(
            final IoLoop loop,
            final Endpoint endpoint,
            final ClientOptions options,
            final ClientLimits limits,
            final Listener listener) {
        return new NbdClient(loop, endpoint, options, limits, listener);
    }

    /** What was agreed on; null before {@link Listener#onReady}. */
    public ClientNegotiated negotiated() {
        return negotiated;
    }

    /** How many requests are in flight. */
    public int inFlight() {
        return pending.size();
    }

    /** Whether requests are taken while there is room. */
    public boolean isReady() {
        return phase == Phase.READY;
    }

    /**
     * In a completion that tells of an error: the sentence that the server gave, or why the
     * connection has ended. May be empty.
     */
    public String errorText() {
        return errorText;
    }

    // ---- Requests.

    /** Reads into a buffer; what is long is received there with no copy. */
    public boolean read(
            final long offset,
            final int length,
            final IoBuffer into,
            final int position,
            final Disk.Completion completion,
            final long token) {
        return read(offset, length, into.segment(), into, position, completion, token);
    }

    /** Reads into memory. */
    public boolean read(
            final long offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        return read(offset, length, into, null, position, completion, token);
    }

    private boolean read(
            final long offset,
            final int length,
            final MemorySegment into,
            final IoBuffer buffer,
            final long position,
            final Disk.Completion completion,
            final long token) {
        assert position >= 0 && length <= into.byteSize() - position;
        checkPayload(length);
        final PendingRequest request = start(Nbd.CMD_READ, 0, offset, length, 0, completion, token);
        if (request == null) {
            return false;
        }
        targets[request.index()] = into;
        targetBuffers[request.index()] = buffer;
        targetPositions[request.index()] = position;
        return true;
    }

    /**
     * Writes from a buffer; what is long is sent from there with no copy.
     *
     * @param flags {@link Nbd#CMD_FLAG_FUA} or 0
     */
    public boolean write(
            final long offset,
            final int length,
            final IoBuffer from,
            final int position,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        assert position >= 0 && length <= from.length() - position;
        checkPayload(length);
        final boolean copied = length <= limits.copyLengthMax();
        final PendingRequest request =
                start(Nbd.CMD_WRITE, flags, offset, length, copied ? length : 0, completion, token);
        if (request == null) {
            return false;
        }
        if (copied) {
            final int at = sendQueue.stage(length);
            MemorySegment.copy(from.segment(), position, sendQueue.memory(), at, length);
        } else {
            sendQueue.append(from, position, length);
            payloadEnds[request.index()] = sendQueue.appendedBytes();
        }
        return true;
    }

    /**
     * Writes from a frame: a payload with the room for its header right before it. The header is
     * put there, and frames that lie side by side go out in one send, from where they lie.
     *
     * @param position of the payload
     * @param flags {@link Nbd#CMD_FLAG_FUA} or 0
     */
    public boolean writeFrame(
            final long offset,
            final int length,
            final IoBuffer from,
            final int position,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        assert position >= frameHeaderLength() && length <= from.length() - position;
        checkPayload(length);
        if (phase != Phase.READY || pending.isFull() || sendQueue.isFull()) {
            return false;
        }
        final PendingRequest request = add(Nbd.CMD_WRITE, flags, offset, length, completion, token);
        final int start = position - encoder.headerLength();
        encoder.encode(
                from.segment(), start, Nbd.CMD_WRITE, flags, request.cookie(), offset, length);
        sendQueue.append(from, start, position + length - start);
        payloadEnds[request.index()] = sendQueue.appendedBytes();
        return true;
    }

    /** How much room a frame needs before its payload, in bytes; known once it is ready. */
    public int frameHeaderLength() {
        return encoder.headerLength();
    }

    /** Writes a part of the control space; it is copied at once. */
    public boolean writeControl(
            final MemorySegment from,
            final int length,
            final Disk.Completion completion,
            final long token) {
        final PendingRequest request =
                start(Nbd.CMD_WRITE, Nbd.CMD_FLAG_CONTROL, 0, length, length, completion, token);
        if (request == null) {
            return false;
        }
        final int at = sendQueue.stage(length);
        MemorySegment.copy(from, 0, sendQueue.memory(), at, length);
        return true;
    }

    /** Reads a part of the control space. */
    public boolean readControl(
            final MemorySegment into,
            final int length,
            final Disk.Completion completion,
            final long token) {
        final PendingRequest request =
                start(Nbd.CMD_READ, Nbd.CMD_FLAG_CONTROL, 0, length, 0, completion, token);
        if (request == null) {
            return false;
        }
        targets[request.index()] = into;
        return true;
    }

    /** Puts on stable storage all writes that completed before this call. */
    public boolean flush(final Disk.Completion completion, final long token) {
        requireOffered(Nbd.FLAG_SEND_FLUSH, "flush");
        return start(Nbd.CMD_FLUSH, 0, 0, 0, 0, completion, token) != null;
    }

    /**
     * Says that a range's content is no longer needed.
     *
     * @param flags {@link Nbd#CMD_FLAG_FUA} or 0
     */
    public boolean trim(
            final long offset,
            final long length,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        requireOffered(Nbd.FLAG_SEND_TRIM, "trim");
        checkEffect(length);
        return start(Nbd.CMD_TRIM, flags, offset, length, 0, completion, token) != null;
    }

    /** Says that a range will be read soon. */
    public boolean cache(
            final long offset,
            final long length,
            final Disk.Completion completion,
            final long token) {
        requireOffered(Nbd.FLAG_SEND_CACHE, "cache");
        checkEffect(length);
        return start(Nbd.CMD_CACHE, 0, offset, length, 0, completion, token) != null;
    }

    /**
     * Makes a range read as zeroes.
     *
     * @param flags of {@link Nbd#CMD_FLAG_FUA}, {@link Nbd#CMD_FLAG_NO_HOLE}, {@link
     *     Nbd#CMD_FLAG_FAST_ZERO}
     */
    public boolean writeZeroes(
            final long offset,
            final long length,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        requireOffered(Nbd.FLAG_SEND_WRITE_ZEROES, "write zeroes");
        checkEffect(length);
        return start(Nbd.CMD_WRITE_ZEROES, flags, offset, length, 0, completion, token) != null;
    }

    /**
     * Asks for the state of a range in every metadata context that was selected. The answer may end
     * before the range does, or behind it.
     *
     * @param flags {@link Nbd#CMD_FLAG_REQ_ONE} or 0
     */
    public boolean blockStatus(
            final long offset,
            final long length,
            final int flags,
            final ExtentHandler extents,
            final Disk.Completion completion,
            final long token) {
        if (negotiated != null && negotiated.contexts().isEmpty()) {
            throw new IllegalStateException("no metadata context was selected");
        }
        checkEffect(length);
        final PendingRequest request =
                start(Nbd.CMD_BLOCK_STATUS, flags, offset, length, 0, completion, token);
        if (request == null) {
            return false;
        }
        extentHandlers[request.index()] = extents;
        return true;
    }

    private void requireOffered(final int flag, final String what) {
        if (negotiated != null && !negotiated.has(flag)) {
            throw new IllegalStateException("the server does not offer " + what);
        }
    }

    private void checkPayload(final int length) {
        assert negotiated == null || length <= negotiated.export().payloadLengthMax() : length;
    }

    private void checkEffect(final long length) {
        assert negotiated == null || length <= negotiated.effectLengthMax() : length;
    }

    /**
     * Takes a place and stages the header.
     *
     * @param stagedLength of what the caller will stage behind it
     */
    private PendingRequest start(
            final int command,
            final int flags,
            final long offset,
            final long length,
            final int stagedLength,
            final Disk.Completion completion,
            final long token) {
        if (phase != Phase.READY || pending.isFull()) {
            return null;
        }
        final int headerLength = encoder.headerLength();
        if (sendQueue.stagedBytes() >= STAGED_ENOUGH) {
            send();
        }
        if (!sendQueue.hasRoom(headerLength + stagedLength)) {
            return null;
        }
        assert offset >= 0 && length >= 0;
        assert (flags & Nbd.CMD_FLAG_CONTROL) != 0 || length <= negotiated.export().size() - offset;
        assert (flags & Nbd.CMD_FLAG_FUA) == 0 || negotiated.has(Nbd.FLAG_SEND_FUA);
        assert (flags & Nbd.CMD_FLAG_FAST_ZERO) == 0 || negotiated.has(Nbd.FLAG_SEND_FAST_ZERO);
        final PendingRequest request = add(command, flags, offset, length, completion, token);
        encoder.encode(
                sendQueue.memory(),
                sendQueue.stage(headerLength),
                command,
                flags,
                request.cookie(),
                offset,
                length);
        return request;
    }

    private PendingRequest add(
            final int command,
            final int flags,
            final long offset,
            final long length,
            final Disk.Completion completion,
            final long token) {
        final PendingRequest request = pending.add(command, flags, offset, length);
        completions[request.index()] = completion;
        tokens[request.index()] = token;
        targetPositions[request.index()] = 0;
        payloadEnds[request.index()] = 0;
        return request;
    }

    /** Sends the requests that were made, as far as the socket takes them; the rest follows. */
    public void send() {
        if (phase == Phase.CONNECTING || phase == Phase.CLOSED || sendBlocked) {
            return;
        }
        try {
            transmit();
        } catch (final IOException e) {
            // The caller is making requests: no time to complete others under its hands.
            sendBlocked = true;
            loop.execute(() -> close(brokenBy(e)));
        }
    }

    // ---- Leaving.

    /**
     * Takes no more requests, and leaves in the protocol's way when those in flight have completed.
     */
    public void disconnect() {
        switch (phase) {
            case CONNECTING -> {
                negotiation.cancel();
                close("");
            }
            case READY -> {
                phase = Phase.LEAVING;
                leaveIfQuiet();
            }
            case LEAVING, PARTING, CLOSED -> {}
        }
    }

    /** Cuts the connection; requests in flight complete with an error before this returns. */
    public void abort(final String reason) {
        negotiation.cancel();
        close(reason);
    }

    private void leaveIfQuiet() {
        if (phase == Phase.LEAVING
                && pending.isEmpty()
                && sendQueue.hasRoom(encoder.headerLength())) {
            phase = Phase.PARTING;
            final int at = sendQueue.stage(encoder.headerLength());
            encoder.encode(sendQueue.memory(), at, Nbd.CMD_DISC, 0, 0, 0, 0);
            send();
        }
    }

    private String brokenBy(final IOException cause) {
        return connection.peer() + ": " + cause.getMessage();
    }

    private void close(final String reason) {
        if (phase == Phase.CLOSED) {
            return;
        }
        phase = Phase.CLOSED;
        RuntimeException thrown = null;
        if (connection != null) {
            connection.close();
            transmission.close();
            thrown = failPending(reason);
            if (!busy) {
                release();
            }
        }
        listener.onClosed(this, reason);
        if (thrown != null) {
            throw thrown;
        }
    }

    /** A completion that throws must not keep the others from theirs. */
    private RuntimeException failPending(final String reason) {
        RuntimeException thrown = null;
        for (int i = 0; i < pending.capacity(); i++) {
            final PendingRequest request = pending.at(i);
            if (request != null) {
                pending.remove(request);
                errorTexts[i] = reason;
                try {
                    complete(i, Errno.ESHUTDOWN);
                } catch (final RuntimeException e) {
                    if (thrown == null) {
                        thrown = e;
                    } else {
                        thrown.addSuppressed(e);
                    }
                }
            }
        }
        return thrown;
    }

    private void release() {
        if (received != null) {
            received.close();
            sendQueue.close();
            received = null;
        }
    }

    private void complete(final int index, final int errno) {
        final Disk.Completion completion = completions[index];
        final long token = tokens[index];
        errorText = errorTexts[index] == null ? "" : errorTexts[index];
        completions[index] = null;
        targets[index] = null;
        targetBuffers[index] = null;
        extentHandlers[index] = null;
        errorTexts[index] = null;
        completion.onComplete(token, errno);
    }

    // ---- Bytes.

    private void transmit() throws IOException {
        sendBlocked = !sendQueue.send(connection);
        if (!sendBlocked && phase == Phase.PARTING) {
            close(leaveReason);
        } else {
            connection.interest(true, sendBlocked);
        }
    }

    /** Works off what has come, and sends the requests that this led to. */
    private void receiveReplies() throws IOException {
        boolean more = true;
        for (int i = 0; more && i < RECEIVES_PER_EVENT; i++) {
            more = receiveOnce();
            if (transmission.state() == ClientTransmission.State.VIOLATED) {
                close(connection.peer() + ": " + transmission.violation());
            }
            more &= phase != Phase.CLOSED;
        }
        leaveIfQuiet();
        send();
    }

    /** Answers whether there may be more. */
    private boolean receiveOnce() throws IOException {
        final PendingRequest data = transmission.dataRequest();
        final int asked;
        final int count;
        if (data != null
                && receivedStart == receivedEnd
                && targetBuffers[data.index()] != null
                && transmission.dataRemaining() >= DIRECT_LENGTH_MIN) {
            final long position =
                    targetPositions[data.index()] + transmission.dataOffset() - data.offset();
            asked = (int) transmission.dataRemaining();
            count = connection.receive(targetBuffers[data.index()], (int) position, asked);
            if (count > 0) {
                transmission.dataReceived(count);
            }
        } else {
            moveToFront();
            asked = received.length() - receivedEnd;
            count = connection.receive(received, receivedEnd, asked);
            if (count > 0) {
                receivedEnd += count;
                receivedStart =
                        (int) transmission.receive(received.segment(), receivedStart, receivedEnd);
            }
        }
        if (count < 0) {
            close(
                    phase == Phase.PARTING
                            ? leaveReason
                            : connection.peer() + ": server closed the connection");
        }
        return count == asked;
    }

    private void moveToFront() {
        final int length = receivedEnd - receivedStart;
        if (length > 0) {
            final MemorySegment memory = received.segment();
            MemorySegment.copy(memory, receivedStart, memory, 0, length);
        }
        receivedStart = 0;
        receivedEnd = length;
    }

    /** The outcome of the handshake. */
    private final class Settlement implements Negotiation.Outcome {
        @Override
        public ConnectionHandler onSettled(
                final Connection settled, final ClientHandshake handshake) {
            connection = settled;
            negotiated = handshake.negotiated();
            transmission = new ClientTransmission(negotiated, pending, new Replies());
            encoder = new RequestEncoder(negotiated.replyStyle());
            received = IoBuffer.reserve(RECEIVE_LENGTH);
            // Any one write must fit beside its header.
            sendQueue =
                    new SendQueue(
                            Math.max(STAGING_LENGTH, 2 * limits.copyLengthMax()),
                            limits.inFlightMax());
            phase = Phase.READY;
            connection.interest(true, false);
            listener.onReady(NbdClient.this);
            send();
            return new Events();
        }

        @Override
        public void onFailed(final String reason) {
            close(reason);
        }
    }

    /** The events of the connection, once the handshake is done. */
    private final class Events implements ConnectionHandler {
        @Override
        public void onReadable() {
            if (phase == Phase.CLOSED) {
                return;
            }
            busy = true;
            try {
                receiveReplies();
            } catch (final IOException e) {
                close(brokenBy(e));
            } finally {
                busy = false;
                if (phase == Phase.CLOSED) {
                    release();
                }
            }
        }

        @Override
        public void onWritable() {
            if (phase == Phase.CLOSED) {
                return;
            }
            sendBlocked = false;
            try {
                transmit();
                leaveIfQuiet();
            } catch (final IOException e) {
                close(brokenBy(e));
            }
        }

        @Override
        public void onFailure(final Throwable cause) {
            close("internal error: " + cause);
        }
    }

    /** What replies say. */
    private final class Replies implements ClientTransmission.Handler {
        @Override
        public void onData(
                final PendingRequest request,
                final long offset,
                final MemorySegment memory,
                final long position,
                final long length) {
            MemorySegment.copy(
                    memory,
                    position,
                    targets[request.index()],
                    targetPositions[request.index()] + offset - request.offset(),
                    length);
        }

        @Override
        public void onHole(final PendingRequest request, final long offset, final long length) {
            targets[request.index()]
                    .asSlice(targetPositions[request.index()] + offset - request.offset(), length)
                    .fill((byte) 0);
        }

        @Override
        public void onExtent(
                final PendingRequest request,
                final int context,
                final long offset,
                final long length,
                final long flags) {
            extentHandlers[request.index()].onExtent(
                    tokens[request.index()], context, offset, length, flags);
        }

        @Override
        public void onError(
                final PendingRequest request,
                final int error,
                final long offset,
                final String text) {
            if (errorTexts[request.index()] == null) {
                errorTexts[request.index()] = text;
            }
        }

        @Override
        public void onDone(final PendingRequest request, final int error) {
            if (error == Nbd.ESHUTDOWN && phase == Phase.READY) {
                // Section "Terminating the transmission phase": this demands a soft disconnect.
                phase = Phase.LEAVING;
                leaveReason = connection.peer() + ": server is shutting down";
            }
            if (!sendQueue.hasSent(payloadEnds[request.index()])) {
                // The memory is the caller's again with the completion: none of it may be sent
                // any more, and without it the server can't go on.
                connection.close();
                complete(request.index(), error);
                close(connection.peer() + ": server answered a write before it had all of it");
                return;
            }
            complete(request.index(), error); // NBD's error values are Linux's numbers
        }
    }
}
