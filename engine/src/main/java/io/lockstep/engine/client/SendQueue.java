package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.IoBuffer;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * The bytes of requests on their way to the socket, in order: headers and short payloads lie staged
 * side by side, so that one send takes many requests; long payloads are sent from where they lie.
 *
 * <p>Single threaded; allocates nothing after it is made.
 */
final class SendQueue implements AutoCloseable {
    /** What is joined for one send is not made longer than this, in bytes. */
    private static final int JOINED_LENGTH_MAX = 1 << 20;

    private final IoBuffer staging;

    // Counts of bytes that were ever staged; position 0 of the buffer holds the byte 'base'.
    private long base;
    private long sent;
    private long staged;

    // Payloads that wait, in a ring; each goes out when all that was staged before it has gone.
    private final IoBuffer[] payloads;
    private final int[] payloadPositions;
    private final int[] payloadLengths;
    private final long[] payloadAfter;
    private int payloadHead;
    private int payloadCount;

    // Counts of payload bytes that were ever appended, and sent.
    private long appendedBytes;
    private long sentBytes;

    /**
     * An empty queue.
     *
     * @param capacity for what is staged, in bytes
     * @param payloadsMax how many payloads can wait
     */
    SendQueue(final int capacity, final int payloadsMax) {
        staging = IoBuffer.reserve(capacity);
        payloads = new IoBuffer[payloadsMax];
        payloadPositions = new int[payloadsMax];
        payloadLengths = new int[payloadsMax];
        payloadAfter = new long[payloadsMax];
    }

    /** Whether so many bytes can be staged. */
    boolean hasRoom(final int length) {
        return length <= staging.length() - (staged - sent);
    }

    /** Where what is staged is written to. */
    MemorySegment memory() {
        return staging.segment();
    }

    /** Takes room for bytes, to be written at once; answers their position in {@link #memory}. */
    int stage(final int length) {
        assert hasRoom(length);
        if (length > staging.length() - (staged - base)) {
            // Rare: the socket takes less than comes, and the front has become free.
            MemorySegment.copy(memory(), sent - base, memory(), 0, staged - sent);
            base = sent;
        }
        final int position = (int) (staged - base);
        staged += length;
        return position;
    }

    /**
     * Queues bytes that stay where they are until they are sent; they are joined with the last ones
     * where they lie behind those.
     */
    void append(final IoBuffer payload, final int position, final int length) {
        assert payloadCount < payloads.length;
        appendedBytes += length;
        if (payloadCount > 0) {
            final int last = (payloadHead + payloadCount - 1) % payloads.length;
            if (payloadAfter[last] == staged
                    && payloads[last] == payload
                    && payloadPositions[last] + payloadLengths[last] == position
                    && payloadLengths[last] < JOINED_LENGTH_MAX) {
                payloadLengths[last] += length;
                return;
            }
        }
        final int at = (payloadHead + payloadCount++) % payloads.length;
        payloads[at] = payload;
        payloadPositions[at] = position;
        payloadLengths[at] = length;
        payloadAfter[at] = staged;
    }

    /** Payload bytes that were ever appended: where the last payload ends. */
    long appendedBytes() {
        return appendedBytes;
    }

    /** Whether a payload that ends there has gone, and its memory is no longer needed. */
    boolean hasSent(final long payloadEnd) {
        return sentBytes >= payloadEnd;
    }

    /** Whether nothing waits. */
    boolean isEmpty() {
        return sent == staged && payloadCount == 0;
    }

    /** Bytes that are staged and not sent. */
    long stagedBytes() {
        return staged - sent;
    }

    /**
     * Sends what waits.
     *
     * @return whether all of it went; otherwise the socket takes no more now
     */
    boolean send(final Connection connection) throws IOException {
        while (!isEmpty()) {
            final long boundary = payloadCount == 0 ? staged : payloadAfter[payloadHead];
            final boolean taken =
                    sent < boundary
                            ? sendStaged(connection, (int) (boundary - sent))
                            : sendPayload(connection);
            if (!taken) {
                return false;
            }
        }
        base = sent;
        return true;
    }

    private boolean sendStaged(final Connection connection, final int length) throws IOException {
        final int count = connection.send(staging, (int) (sent - base), length);
        sent += count;
        return count == length;
    }

    private boolean sendPayload(final Connection connection) throws IOException {
        final int at = payloadHead;
        final int count = connection.send(payloads[at], payloadPositions[at], payloadLengths[at]);
        sentBytes += count;
        payloadPositions[at] += count;
        payloadLengths[at] -= count;
        if (payloadLengths[at] > 0) {
            return false;
        }
        payloads[at] = null;
        payloadHead = (at + 1) % payloads.length;
        payloadCount--;
        return true;
    }

    @Override
    public void close() {
        staging.close();
    }
}
