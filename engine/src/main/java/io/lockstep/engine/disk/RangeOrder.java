package io.lockstep.engine.disk;

import java.util.function.LongConsumer;

/**
 * Keeps operations that overlap in the order in which they came: one may begin when no earlier one
 * that overlaps it is under way or waits. Operations that don't overlap are free of each other.
 *
 * <p>Single threaded; allocates nothing unless more operations than ever before are under way.
 * Where disks complete at once, which is the rule, there is nothing to look through.
 */
public final class RangeOrder {
    /** What may now begin. */
    public interface Starter {
        /** The operation that was admitted to wait under this token may begin. */
        void start(long token);
    }

    /** Hears of ranges. */
    public interface Ranges {
        /** One of an operation that is under way or waits. */
        void onRange(long start, long end);
    }

    private static final int FIRST_CAPACITY = 64;

    private long[] starts = new long[FIRST_CAPACITY];
    private long[] ends = new long[FIRST_CAPACITY];
    private long[] tokens = new long[FIRST_CAPACITY];
    private boolean[] running = new boolean[FIRST_CAPACITY];

    /** Operations in the order in which they came; those at the front are the oldest. */
    private int size;

    private int waiting;

    private final Starter starter;

    /** With nothing under way. */
    public RangeOrder(final Starter starter) {
        this.starter = starter;
    }

    /**
     * An operation comes.
     *
     * @param start first byte
     * @param end behind its last byte
     * @param token a number of the caller's that no other operation under way has
     * @return whether it may begin at once; otherwise the starter is told when
     */
    public boolean admit(final long start, final long end, final long token) {
        final boolean free = isFree(start, end, size);
        if (size == starts.length) {
            grow();
        }
        starts[size] = start;
        ends[size] = end;
        tokens[size] = token;
        running[size] = free;
        size++;
        waiting += free ? 0 : 1;
        return free;
    }

    /** Whether an operation that came now could begin at once. */
    public boolean isFree(final long start, final long end) {
        return isFree(start, end, size);
    }

    /** An operation has ended; those that waited for it begin. */
    public void finish(final long token) {
        int at = 0;
        while (tokens[at] != token) {
            at++;
        }
        assert running[at];
        remove(at);
        if (waiting > 0) {
            startFree();
        }
    }

    /** How many are under way or wait. */
    public int size() {
        return size;
    }

    /** Tells of all that are under way or wait, in their order. */
    public void forEach(final Ranges ranges) {
        for (int i = 0; i < size; i++) {
            ranges.onRange(starts[i], ends[i]);
        }
    }

    /** Tells of all that are under way, by their tokens. */
    public void forEachRunning(final LongConsumer each) {
        for (int i = 0; i < size; i++) {
            if (running[i]) {
                each.accept(tokens[i]);
            }
        }
    }

    private void startFree() {
        int at = 0;
        while (at < size && waiting > 0) {
            if (!running[at] && isFree(starts[at], ends[at], at)) {
                running[at] = true;
                waiting--;
                starter.start(tokens[at]);
                at = 0; // what was started may have ended, and moved the others
            } else {
                at++;
            }
        }
    }

    private boolean isFree(final long start, final long end, final int before) {
        for (int i = 0; i < before; i++) {
            if (starts[i] < end && start < ends[i]) {
                return false;
            }
        }
        return true;
    }

    private void remove(final int at) {
        final int behind = size - at - 1;
        System.arraycopy(starts, at + 1, starts, at, behind);
        System.arraycopy(ends, at + 1, ends, at, behind);
        System.arraycopy(tokens, at + 1, tokens, at, behind);
        System.arraycopy(running, at + 1, running, at, behind);
        size--;
    }

    private void grow() {
        final int capacity = 2 * starts.length;
        starts = java.util.Arrays.copyOf(starts, capacity);
        ends = java.util.Arrays.copyOf(ends, capacity);
        tokens = java.util.Arrays.copyOf(tokens, capacity);
        running = java.util.Arrays.copyOf(running, capacity);
    }
}
