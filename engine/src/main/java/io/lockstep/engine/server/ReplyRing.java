package io.lockstep.engine.server;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ReplyEncoder;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * The replies of one connection, from the moment when their place is reserved to the moment when
 * the socket has taken them.
 *
 * <p>A reply's place, header and payload in one piece, is reserved when its request comes in; the
 * disk reads straight into it. Replies are sent in the order in which they are committed, and
 * neighbours in memory go out in one send: where requests complete in order, which is the rule, a
 * whole batch is one system call. Places are given back in the order in which they were reserved;
 * an empty ring starts over at its front, so that a quiet connection keeps to memory that the cache
 * holds.
 *
 * <p>Every place has a cell of its own for an error's text, so that there is always room to say
 * what went wrong. Single threaded; allocates nothing after it is made.
 */
final class ReplyRing implements AutoCloseable {
    private static final byte RESERVED = 0;
    private static final byte READY = 1;
    private static final byte SENT = 2;

    private final IoBuffer buffer;
    private final int capacity;
    private final int slotMask;

    // By slot: the place that was reserved, and what of the buffer is sent for it.
    private final int[] placeStart;
    private final int[] sendStart;
    private final int[] sendLength;
    private final byte[] states;

    // By slot, what is sent behind it: a part of somebody else's memory, or nothing.
    private final IoBuffer[] tails;
    private final int[] tailStart;
    private final int[] tailLength;
    private int head;
    private int tail;
    private int placeEnd;
    private int touched;

    /** Slots in the order of their commits. */
    private final int[] ready;

    private int readyHead;
    private int readyTail;
    private long readyBytes;
    private int sentOfFirst;

    /**
     * A ring.
     *
     * @param capacity for places, in bytes
     * @param slots how many places there can be at a time; a power of two
     */
    ReplyRing(final int capacity, final int slots) {
        this.capacity = capacity;
        buffer = IoBuffer.reserve(capacity + slots * ReplyEncoder.ERROR_LENGTH_MAX);
        slotMask = slots - 1;
        placeStart = new int[slots];
        sendStart = new int[slots];
        sendLength = new int[slots];
        states = new byte[slots];
        tails = new IoBuffer[slots];
        tailStart = new int[slots];
        tailLength = new int[slots];
        ready = new int[slots];
    }

    MemorySegment memory() {
        return buffer.segment();
    }

    /** The same memory. */
    IoBuffer buffer() {
        return buffer;
    }

    /**
     * Reserves a place.
     *
     * @param length in bytes, at least 1
     * @return its slot, or -1 where there is no room now
     */
    int reserve(final int length) {
        if (tail - head > slotMask) {
            return -1;
        }
        final int start = findPlace(length);
        if (start < 0) {
            return -1;
        }
        final int slot = tail++ & slotMask;
        placeStart[slot] = start;
        states[slot] = RESERVED;
        placeEnd = start + length;
        touched = Math.max(touched, placeEnd);
        return slot;
    }

    private int findPlace(final int length) {
        if (isEmpty()) {
            return length <= capacity ? 0 : -1;
        }
        final int oldest = placeStart[head & slotMask];
        if (placeEnd > oldest) {
            if (length <= capacity - placeEnd) {
                return placeEnd;
            }
            return length < oldest ? 0 : -1; // less than, so that full and empty differ
        }
        return length < oldest - placeEnd ? placeEnd : -1;
    }

    /** Where the slot's place begins in {@link #memory}. */
    int position(final int slot) {
        return placeStart[slot];
    }

    /**
     * Where an error reply of the slot may be written, {@link ReplyEncoder#ERROR_LENGTH_MAX} bytes.
     */
    int errorPosition(final int slot) {
        return capacity + slot * ReplyEncoder.ERROR_LENGTH_MAX;
    }

    /** The first {@code length} bytes of the slot's place are to be sent. */
    void commit(final int slot, final int length) {
        commit(slot, placeStart[slot], length);
    }

    /** What lies in the slot's error cell is to be sent, and its place is not. */
    void commitError(final int slot, final int length) {
        commit(slot, errorPosition(slot), length);
    }

    /**
     * The first {@code length} bytes of the slot's place are to be sent, and behind them a part of
     * other memory, straight from there. It must stay mapped until it is sent.
     */
    void commit(
            final int slot,
            final int length,
            final IoBuffer behind,
            final int behindStart,
            final int behindLength) {
        tails[slot] = behind;
        tailStart[slot] = behindStart;
        tailLength[slot] = behindLength;
        commit(slot, placeStart[slot], length);
        readyBytes += behindLength;
    }

    private void commit(final int slot, final int start, final int length) {
        assert states[slot] == RESERVED;
        sendStart[slot] = start;
        sendLength[slot] = length;
        states[slot] = READY;
        ready[readyTail++ & slotMask] = slot;
        readyBytes += length;
    }

    /** Nothing is to be sent for the slot. */
    void withdraw(final int slot) {
        assert states[slot] == RESERVED;
        states[slot] = SENT;
        giveBack();
    }

    /** Replies that wait to be sent. */
    int readyCount() {
        return readyTail - readyHead;
    }

    /** Bytes that wait to be sent. */
    long readyBytes() {
        return readyBytes;
    }

    /** Whether no place is reserved, waits or is being sent. */
    boolean isEmpty() {
        return head == tail;
    }

    /**
     * Sends what is committed.
     *
     * @return whether all of it went; otherwise the socket takes no more now
     */
    boolean transmit(final Connection connection) throws IOException {
        while (readyBytes > 0) {
            final int first = ready[readyHead & slotMask];
            int last = first;
            int end = sendStart[first] + sendLength[first];
            for (int i = readyHead + 1; i != readyTail && tailLength[last] == 0; i++) {
                final int next = ready[i & slotMask];
                if (sendStart[next] != end) {
                    break;
                }
                end += sendLength[next];
                last = next;
            }
            final int start = sendStart[first] + sentOfFirst;
            final int length;
            final int sent;
            if (start < end) {
                length = end - start;
                sent = connection.send(buffer, start, length);
            } else {
                length = tailLength[last] - (start - end);
                sent = connection.send(tails[last], tailStart[last] + start - end, length);
            }
            consume(sent);
            if (sent < length) {
                return false;
            }
        }
        return true;
    }

    private void consume(final int sent) {
        readyBytes -= sent;
        int remaining = sent + sentOfFirst;
        while (readyHead != readyTail) {
            final int slot = ready[readyHead & slotMask];
            final int length = sendLength[slot] + tailLength[slot];
            if (remaining < length) {
                break;
            }
            remaining -= length;
            states[slot] = SENT;
            tails[slot] = null;
            tailLength[slot] = 0;
            readyHead++;
        }
        sentOfFirst = remaining;
        giveBack();
    }

    private void giveBack() {
        while (head != tail && states[head & slotMask] == SENT) {
            head++;
        }
    }

    /**
     * Gives back memory that a burst took, beyond {@code keep} bytes; only while the ring is empty.
     */
    void trim(final int keep) {
        if (isEmpty() && touched > keep) {
            buffer.trim(keep);
            touched = keep;
        }
    }

    @Override
    public void close() {
        buffer.close();
    }
}
