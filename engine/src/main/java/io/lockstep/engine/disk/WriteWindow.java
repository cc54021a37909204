package io.lockstep.engine.disk;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;

/**
 * Where the payload of one write is received when it goes straight to where the disk wants it, with
 * no copy of ours: memory on loan from the disk that opened the window.
 *
 * <p>The disk may revoke it at any moment before the payload is whole, so that it never has to wait
 * for a peer that has fallen silent. What has come by then is copied out, the rest is received
 * behind it, and the write is one like any other. One write at a time; on the disk's loop. Only a
 * revocation allocates.
 */
public final class WriteWindow {
    private IoBuffer memory;
    private int position;
    private int lentPosition;
    private long offset;
    private int length;
    private int received;
    private boolean isRevoked;
    private int errno;

    /**
     * Lends memory; by a disk.
     *
     * @param lent memory for system calls
     * @param at where in it the payload begins
     * @param diskOffset what the write is to change
     * @param payloadLength in bytes
     */
    public void open(
            final IoBuffer lent, final int at, final long diskOffset, final int payloadLength) {
        memory = lent;
        position = at;
        lentPosition = at;
        offset = diskOffset;
        length = payloadLength;
        received = 0;
        isRevoked = false;
        errno = 0;
    }

    /** Takes the loan back; by the disk that gave it, which forgets the window then. */
    public void revoke() {
        final IoBuffer own = IoBuffer.collected(length);
        try {
            MemorySegment.copy(memory.segment(), position, own.segment(), 0, received);
        } catch (final InternalError fault) {
            errno = Errno.EIO; // of a file that somebody has cut short
        }
        memory = own;
        position = 0;
        isRevoked = true;
    }

    /** The memory in which the payload lies. */
    public IoBuffer memory() {
        return memory;
    }

    /** Where in the memory the payload begins. */
    public int position() {
        return position;
    }

    /** Where in the lender's memory it began, also after a revocation. */
    public int lentPosition() {
        return lentPosition;
    }

    /** The first byte of the disk that the write changes. */
    public long offset() {
        return offset;
    }

    /** Length of the whole payload in bytes. */
    public int length() {
        return length;
    }

    /** Bytes of the payload that are there. */
    public int received() {
        return received;
    }

    /** So many bytes more are there. */
    public void addReceived(final int count) {
        received += count;
        assert received <= length;
    }

    /** Whether the memory is no longer the disk's. */
    public boolean isRevoked() {
        return isRevoked;
    }

    /** 0, or the number of the error by which a part of the payload was lost. */
    public int errno() {
        return errno;
    }
}
