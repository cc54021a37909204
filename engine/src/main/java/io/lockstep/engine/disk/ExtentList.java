package io.lockstep.engine.disk;

import java.util.Objects;

/**
 * Consecutive runs of a disk's bytes with what is known of each: filled by {@link Disk#extents} and
 * used again and again. Single threaded, of fixed capacity.
 */
public final class ExtentList {
    /** May hold anything. */
    public static final int DATA = 0;

    /** Is not allocated, and reads as zeroes. */
    public static final int HOLE = 1;

    /** Is allocated, and reads as zeroes. */
    public static final int ZERO = 2;

    private final long[] lengths;
    private final byte[] states;
    private int size;
    private long totalLength;

    /** A list that can hold so many runs. */
    public ExtentList(final int capacity) {
        lengths = new long[capacity];
        states = new byte[capacity];
    }

    /** Empties the list. */
    public void clear() {
        size = 0;
        totalLength = 0;
    }

    /**
     * Appends a run; one in the state of the last is joined with it.
     *
     * @param length in bytes, more than 0
     * @return false, and nothing changed, where the list is full
     */
    public boolean add(final long length, final int state) {
        assert length > 0;
        if (size > 0 && states[size - 1] == state) {
            lengths[size - 1] += length;
        } else {
            if (size == lengths.length) {
                return false;
            }
            lengths[size] = length;
            states[size] = (byte) state;
            size++;
        }
        totalLength += length;
        return true;
    }

    /**
     * Takes runs that read as zeroes for data where they are so short that it costs more to tell of
     * them; neighbours are joined.
     *
     * @param lengthMin shortest run that stays what it is, in bytes
     */
    public void fillHolesShorterThan(final long lengthMin) {
        final int count = size;
        clear();
        for (int run = 0; run < count; run++) {
            final boolean keep = states[run] == DATA || lengths[run] >= lengthMin;
            add(lengths[run], keep ? states[run] : DATA); // never beyond the run that was read
        }
    }

    /** Whether none of the runs is anything but a hole; of a list without runs, too. */
    public boolean isHole() {
        for (int run = 0; run < size; run++) {
            if (states[run] != HOLE) {
                return false;
            }
        }
        return true;
    }

    /** How many runs there are. */
    public int size() {
        return size;
    }

    /** The length of run {@code index} in bytes. */
    public long length(final int index) {
        return lengths[Objects.checkIndex(index, size)];
    }

    /** The state of run {@code index}. */
    public int state(final int index) {
        return states[Objects.checkIndex(index, size)];
    }

    /** The sum of all lengths in bytes. */
    public long totalLength() {
        return totalLength;
    }
}
