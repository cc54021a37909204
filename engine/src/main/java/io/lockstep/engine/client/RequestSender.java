package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.PendingRequest;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.RequestEncoder;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * The sending half of a client's connection: writes each request in the agreed style, and has the
 * socket take what waits, as far as it does.
 *
 * <p>Short payloads are copied behind their headers. Long ones are lent: they stay where they are,
 * and must not change before {@link #hasSent}. A frame has its header before it, and goes as one.
 *
 * <p>Single threaded; allocates nothing after it is made.
 */
final class RequestSender implements AutoCloseable {
    /** Room for what is staged, beyond which requests wait for the socket; in bytes. */
    private static final int STAGING_LENGTH = 512 << 10;

    /** With so much staged it is sent, though more requests may follow; in bytes. */
    private static final int STAGED_ENOUGH = 128 << 10;

    private final Connection connection;
    private final RequestEncoder encoder;
    private final SendQueue queue;
    private boolean blocked;

    RequestSender(final Connection connection, final ReplyStyle style, final ClientLimits limits) {
        this.connection = connection;
        encoder = new RequestEncoder(style);
        // Any one write must fit beside its header.
        queue =
                new SendQueue(
                        Math.max(STAGING_LENGTH, 2 * limits.copyLengthMax()), limits.inFlightMax());
    }

    /** Of a request, in bytes. */
    int headerLength() {
        return encoder.headerLength();
    }

    /** Whether so much waits that it should be sent before more is added. */
    boolean hasEnough() {
        return queue.stagedBytes() >= STAGED_ENOUGH;
    }

    /** Whether there is room for a header, and so many bytes behind it. */
    boolean hasRoom(final int payloadLength) {
        return queue.hasRoom(encoder.headerLength() + payloadLength);
    }

    /** Adds a request's header. */
    void stageHeader(final PendingRequest request) {
        encode(request, queue.memory(), queue.stage(encoder.headerLength()));
    }

    /** Adds a copy of what belongs behind the last header. */
    void stagePayload(final MemorySegment from, final long position, final int length) {
        final int at = queue.stage(length);
        MemorySegment.copy(from, position, queue.memory(), at, length);
    }

    /** Adds what belongs behind the last header, without a copy; answers where it ends. */
    long appendPayload(final IoBuffer from, final int position, final int length) {
        queue.append(from, position, length);
        return queue.appendedBytes();
    }

    /**
     * Adds a write as a frame, whose header is put right before its payload; answers where it ends.
     *
     * @param position of the payload
     */
    long appendFrame(
            final PendingRequest write, final IoBuffer from, final int position, final int length) {
        final int start = position - encoder.headerLength();
        encode(write, from.segment(), start);
        return appendPayload(from, start, position + length - start);
    }

    /** Adds the goodbye, which has no reply. */
    void stageGoodbye() {
        final int at = queue.stage(encoder.headerLength());
        encoder.encode(queue.memory(), at, Nbd.CMD_DISC, 0, 0, 0, 0);
    }

    private void encode(
            final PendingRequest request, final MemorySegment memory, final long position) {
        encoder.encode(
                memory,
                position,
                request.command(),
                request.flags(),
                request.cookie(),
                request.offset(),
                request.length());
    }

    /** Whether what was lent up to there has gone, and its memory is no longer needed. */
    boolean hasSent(final long payloadEnd) {
        return queue.hasSent(payloadEnd);
    }

    /**
     * Sends what waits, unless the socket took no more the last time: see {@link #resume}.
     *
     * @return whether all of it went
     * @throws IOException where the connection is broken; then nothing more is sent
     */
    boolean send() throws IOException {
        if (blocked) {
            return false;
        }
        blocked = true; // stays so where this throws
        blocked = !queue.send(connection);
        connection.interest(true, blocked);
        return !blocked;
    }

    /** As {@link #send}, now that the socket takes more. */
    boolean resume() throws IOException {
        blocked = false;
        return send();
    }

    @Override
    public void close() {
        queue.close();
    }
}
