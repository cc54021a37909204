package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Unaligned big-endian loads and stores: the protocol's byte order at any position of a segment.
 */
final class Wire {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private Wire() {}

    static int getUnsignedShort(final MemorySegment memory, final long position) {
        return Short.toUnsignedInt(memory.get(SHORT, position));
    }

    static int getInt(final MemorySegment memory, final long position) {
        return memory.get(INT, position);
    }

    static long getUnsignedInt(final MemorySegment memory, final long position) {
        return Integer.toUnsignedLong(memory.get(INT, position));
    }

    static long getLong(final MemorySegment memory, final long position) {
        return memory.get(LONG, position);
    }

    static void putShort(final MemorySegment memory, final long position, final int value) {
        memory.set(SHORT, position, (short) value);
    }

    static void putInt(final MemorySegment memory, final long position, final int value) {
        memory.set(INT, position, value);
    }

    static void putLong(final MemorySegment memory, final long position, final long value) {
        memory.set(LONG, position, value);
    }
}
