package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Bytes of a handshake on their way out: appended at the end, taken from the front. It grows to
 * what one option's reply needs; who drives a handshake bounds it by feeding no option before it is
 * empty. Single threaded. Not for the transmission phase, where replies are written in place.
 */
public final class WireWriter {
    private static final int INITIAL_CAPACITY = 512;

    private byte[] bytes = new byte[INITIAL_CAPACITY];
    private MemorySegment memory = MemorySegment.ofArray(bytes);
    private int taken;
    private int end;

    /** Bytes that wait to be taken. */
    public int length() {
        return end - taken;
    }

    /** Whether nothing waits to be taken. */
    public boolean isEmpty() {
        return taken == end;
    }

    /**
     * Moves bytes out.
     *
     * @param target where they go
     * @param position of the first in {@code target}
     * @param max how many fit
     * @return how many were moved
     */
    public int take(final MemorySegment target, final long position, final int max) {
        final int count = Math.min(max, length());
        MemorySegment.copy(memory, taken, target, position, count);
        taken += count;
        if (taken == end) {
            taken = 0;
            end = 0;
        }
        return count;
    }

    void putShort(final int value) {
        final int at = claim(Short.BYTES); // first, as it may replace the memory
        Wire.putShort(memory, at, value);
    }

    void putInt(final int value) {
        final int at = claim(Integer.BYTES);
        Wire.putInt(memory, at, value);
    }

    void putLong(final long value) {
        final int at = claim(Long.BYTES);
        Wire.putLong(memory, at, value);
    }

    void putBytes(final byte[] value) {
        final int at = claim(value.length);
        System.arraycopy(value, 0, bytes, at, value.length);
    }

    void putZeroes(final int count) {
        final int at = claim(count);
        Arrays.fill(bytes, at, at + count, (byte) 0);
    }

    private int claim(final int count) {
        if (end + count > bytes.length) {
            bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, end + count));
            memory = MemorySegment.ofArray(bytes);
        }
        final int at = end;
        end += count;
        return at;
    }
}
