package io.lockstep.engine.disk;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Aligned memory for requests whose own is not: of few lengths, used again and again, and given
 * back beyond a bound. One thread's.
 */
final class BounceBuffers {
    /** The longest one, in bytes. */
    static final int LENGTH_MAX = 1 << 20;

    private static final int LENGTH_MIN_BITS = 12;
    private static final int CLASSES = 9;
    private static final int ALIGNMENT = 4096;

    /** What is kept for the next requests, in bytes. */
    private static final long KEPT_MAX = 64L << 20;

    /** One of them. */
    static final class Buffer {
        private final int ofClass;
        private final MemorySegment segment;

        private Buffer(final int ofClass) {
            this.ofClass = ofClass;
            segment = Arena.ofAuto().allocate(1L << LENGTH_MIN_BITS + ofClass, ALIGNMENT);
        }

        /** Its memory. */
        MemorySegment segment() {
            return segment;
        }
    }

    private final List<List<Buffer>> free = new ArrayList<>();
    private long kept;

    BounceBuffers() {
        for (int i = 0; i < CLASSES; i++) {
            free.add(new ArrayList<>());
        }
    }

    /** One of at least so many bytes. */
    Buffer take(final int length) {
        final int bits = Integer.SIZE - Integer.numberOfLeadingZeros(length - 1);
        final int ofClass = Math.max(0, bits - LENGTH_MIN_BITS);
        final List<Buffer> there = free.get(ofClass);
        if (there.isEmpty()) {
            return new Buffer(ofClass);
        }
        kept -= there.getLast().segment.byteSize();
        return there.removeLast();
    }

    /** It is not needed any more. */
    void give(final Buffer buffer) {
        if (kept + buffer.segment.byteSize() <= KEPT_MAX) {
            kept += buffer.segment.byteSize();
            free.get(buffer.ofClass).add(buffer);
        }
    }
}
