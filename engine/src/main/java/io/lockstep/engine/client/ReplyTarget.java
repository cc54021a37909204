package io.lockstep.engine.client;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;

/**
 * Where the reply to one request goes: the memory that a read fills, who hears of the extents, whom
 * to tell that it is done. The object belongs to its place in {@link RequestsInFlight} and is used
 * again by the next request there.
 *
 * <p>Single threaded; allocates nothing.
 */
final class ReplyTarget {
    private Disk.Completion completion;
    private long token;
    private long payloadEnd;
    private String errorText;

    // Of a read.
    private MemorySegment memory;
    private IoBuffer buffer;

    /** What is added to an offset in the export for its position in the memory. */
    private long shift;

    // Of a block status.
    private NbdClient.ExtentHandler extents;

    void start(final Disk.Completion newCompletion, final long newToken) {
        completion = newCompletion;
        token = newToken;
        payloadEnd = 0;
    }

    /** The data belongs into memory, where the request's first byte is at {@code position}. */
    void fill(final MemorySegment into, final long position, final long requestOffset) {
        memory = into;
        shift = position - requestOffset;
    }

    /** As {@link #fill(MemorySegment, long, long)}; the data may be received there at once. */
    void fill(final IoBuffer into, final long position, final long requestOffset) {
        fill(into.segment(), position, requestOffset);
        buffer = into;
    }

    void tell(final NbdClient.ExtentHandler newExtents) {
        extents = newExtents;
    }

    /**
     * A write's payload stays where it is.
     *
     * @param end of {@link RequestSender#appendPayload}
     */
    void lendPayload(final long end) {
        payloadEnd = end;
    }

    /** Where a lent payload ends, for {@link RequestSender#hasSent}; 0 where none was lent. */
    long payloadEnd() {
        return payloadEnd;
    }

    /** What a socket can receive into; null where data must be copied. */
    IoBuffer buffer() {
        return buffer;
    }

    /** Where in the memory a byte of the export belongs. */
    long position(final long offset) {
        return offset + shift;
    }

    void onData(
            final long offset, final MemorySegment from, final long position, final long length) {
        MemorySegment.copy(from, position, memory, position(offset), length);
    }

    void onHole(final long offset, final long length) {
        memory.asSlice(position(offset), length).fill((byte) 0);
    }

    void onExtent(final int context, final long offset, final long length, final long flags) {
        extents.onExtent(token, context, offset, length, flags);
    }

    /** Only the first counts: the reply ends with that one's number. */
    void onError(final String text) {
        if (errorText == null) {
            errorText = text;
        }
    }

    /** The server's sentence; empty where it gave none. */
    String errorText() {
        return errorText == null ? "" : errorText;
    }

    /** Tells whoever waits, who may make the next request of this place meanwhile. */
    void complete(final int errno) {
        final Disk.Completion told = completion;
        completion = null;
        memory = null;
        buffer = null;
        extents = null;
        errorText = null;
        told.onComplete(token, errno);
    }
}
