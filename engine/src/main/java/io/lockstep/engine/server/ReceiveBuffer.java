package io.lockstep.engine.server;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.IoBuffer;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * What a connection has received and not yet worked off. Messages lie in it in one piece, and disks
 * write straight out of it: while a payload is pinned, nothing moves.
 *
 * <p>How much is asked of the socket at a time is chosen so that a stream of messages of one length
 * ends on the end of a message: then nothing is left over, the buffer starts at its front again,
 * and no byte is ever moved. Single threaded; allocates nothing after it is made.
 */
final class ReceiveBuffer implements AutoCloseable {
    /**
     * Asked of the socket at a time, at least where there is room: small enough for a core's cache.
     */
    private static final int BATCH = 256 << 10;

    /** With this much of one payload still to come, that payload is asked for alone. */
    private static final int LARGE = 128 << 10;

    private final IoBuffer buffer;
    private int head;
    private int tail;
    private int pinned;
    private int asked;
    private int touched;

    /** A buffer for messages of at most so many bytes. */
    ReceiveBuffer(final int messageLengthMax) {
        buffer = IoBuffer.reserve(messageLengthMax + BATCH);
    }

    MemorySegment memory() {
        return buffer.segment();
    }

    /** Position of the first byte that was not worked off. */
    int head() {
        return head;
    }

    /** Position behind the last byte received. */
    int tail() {
        return tail;
    }

    /** All before {@code position} has been worked off. */
    void workedOff(final long position) {
        head = (int) position;
        assert head <= tail;
        if (pinned == 0 && head == tail) {
            head = 0;
            tail = 0;
        }
    }

    /** Keeps what is received where it is until as many {@link #unpin}s. */
    void pin() {
        pinned++;
    }

    /** The end of one {@link #pin}. */
    void unpin() {
        pinned--;
        assert pinned >= 0;
    }

    /**
     * Receives.
     *
     * @param wanted length of the message at the head as far as is known
     * @param lastLength length of the message before it, a guess at those to come; 0 to receive no
     *     more than this message
     * @return as {@link Connection#receive}; 0 as well while there is no room because of pins
     */
    int receive(final Connection connection, final long wanted, final int lastLength)
            throws IOException {
        makeRoom(wanted);
        final int missing = (int) Math.max(0, wanted - (tail - head));
        final int room = buffer.length() - tail;
        asked = Math.min(room, ask(missing, lastLength));
        if (asked == 0) {
            return 0;
        }
        final int received = connection.receive(buffer, tail, asked);
        if (received > 0) {
            tail += received;
            touched = Math.max(touched, tail);
        }
        return received;
    }

    /** Whether the last {@link #receive} got less than it asked for: the socket has no more now. */
    boolean hasDrained(final int received) {
        return received < asked;
    }

    /** Whether nothing can be received before a pin ends. */
    boolean isFull(final long wanted) {
        return pinned > 0 && buffer.length() - head < wanted;
    }

    private static int ask(final int missing, final int lastLength) {
        if (missing >= LARGE || lastLength == 0) {
            return missing;
        }
        return missing + Math.max(1, (BATCH - missing) / lastLength) * lastLength;
    }

    private void makeRoom(final long wanted) {
        if (pinned == 0 && head > 0 && (head >= BATCH || buffer.length() - head < wanted)) {
            final int length = tail - head;
            MemorySegment.copy(memory(), head, memory(), 0, length);
            head = 0;
            tail = length;
        }
    }

    /**
     * Gives back memory that a burst took, beyond {@code keep} bytes; only while the buffer is
     * empty.
     */
    void trim(final int keep) {
        if (tail == 0 && pinned == 0 && touched > keep) {
            buffer.trim(keep);
            touched = keep;
        }
    }

    @Override
    public void close() {
        buffer.close();
    }
}
