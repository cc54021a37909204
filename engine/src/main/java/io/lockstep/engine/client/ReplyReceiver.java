package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientTransmission;
import io.lockstep.nbd.PendingRequest;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * The receiving half of a client's connection: moves what the socket has to where it belongs. Short
 * replies come many at a time, through a buffer; the data of a long read, once its header was
 * there, is received right in the memory that the read fills.
 *
 * <p>Single threaded; allocates nothing after it is made, but for errors.
 */
final class ReplyReceiver implements AutoCloseable {
    /** Hears of the end of each reply. */
    interface Listener {
        /** As {@link ClientTransmission.Handler#onDone}. */
        void onReplyEnd(PendingRequest request, int error);
    }

    /** Room for what is received: replies without data and the beginning of long ones; in bytes. */
    private static final int BUFFER_LENGTH = 64 << 10;

    /** Of data under way so much must be missing for it to be received where it belongs. */
    private static final int DIRECT_LENGTH_MIN = 8 << 10;

    private final Connection connection;
    private final RequestsInFlight requests;
    private final Listener listener;
    private final ClientTransmission transmission;
    private final IoBuffer buffer = IoBuffer.reserve(BUFFER_LENGTH);
    private int start;
    private int end;
    private boolean hasEnded;

    ReplyReceiver(
            final Connection connection,
            final ClientNegotiated negotiated,
            final RequestsInFlight requests,
            final Listener listener) {
        this.connection = connection;
        this.requests = requests;
        this.listener = listener;
        transmission = new ClientTransmission(negotiated, requests.pending(), new Replies());
    }

    /**
     * Receives once, and hands over what came.
     *
     * @return whether there may be more
     */
    boolean receive() throws IOException {
        final PendingRequest read = transmission.dataRequest();
        if (read != null
                && start == end
                && transmission.dataRemaining() >= DIRECT_LENGTH_MIN
                && requests.target(read).buffer() != null) {
            return receiveWhereItBelongs(requests.target(read));
        }
        return receiveInBuffer();
    }

    private boolean receiveWhereItBelongs(final ReplyTarget target) throws IOException {
        final int asked = (int) transmission.dataRemaining();
        final int position = (int) target.position(transmission.dataOffset());
        final int count = connection.receive(target.buffer(), position, asked);
        if (count > 0) {
            transmission.dataReceived(count);
        }
        hasEnded |= count < 0;
        return count == asked;
    }

    private boolean receiveInBuffer() throws IOException {
        moveToFront();
        final int asked = buffer.length() - end;
        final int count = connection.receive(buffer, end, asked);
        if (count > 0) {
            end += count;
            start = (int) transmission.receive(buffer.segment(), start, end);
        }
        hasEnded |= count < 0;
        return count == asked;
    }

    private void moveToFront() {
        final int length = end - start;
        if (length > 0) {
            final MemorySegment memory = buffer.segment();
            MemorySegment.copy(memory, start, memory, 0, length);
        }
        start = 0;
        end = length;
    }

    /** Whether the server has sent its last byte. */
    boolean hasEnded() {
        return hasEnded;
    }

    /** How the server broke the protocol, a sentence; empty where it did not. */
    String violation() {
        return transmission.violation();
    }

    /** Hands over nothing more, even of what was received. */
    void stop() {
        transmission.close();
    }

    @Override
    public void close() {
        buffer.close();
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
            requests.target(request).onData(offset, memory, position, length);
        }

        @Override
        public void onHole(final PendingRequest request, final long offset, final long length) {
            requests.target(request).onHole(offset, length);
        }

        @Override
        public void onExtent(
                final PendingRequest request,
                final int context,
                final long offset,
                final long length,
                final long flags) {
            requests.target(request).onExtent(context, offset, length, flags);
        }

        @Override
        public void onError(
                final PendingRequest request,
                final int error,
                final long offset,
                final String text) {
            requests.target(request).onError(text);
        }

        @Override
        public void onDone(final PendingRequest request, final int error) {
            listener.onReplyEnd(request, error);
        }
    }
}
