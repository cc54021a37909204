package io.lockstep.engine.server;

import io.lockstep.engine.disk.ExtentList;
import io.lockstep.nbd.Request;

/**
 * The requests of one connection that are in flight: what their replies need, in arrays that are
 * made once. Single threaded.
 */
final class RequestTable {
    /** Extents that are kept of a request; who wants the rest asks again. */
    static final int EXTENTS_MAX = 1024;

    private static final byte SEARCHING = 0;
    private static final byte READING = 1;
    private static final byte FLUSHING = 2;

    private final int[] free;
    private int freeCount;

    private final int[] commands;
    private final int[] flags;
    private final long[] cookies;
    private final long[] offsets;
    private final long[] lengths;
    private final int[] contexts;
    private final int[] slots;
    private final int[] errnos;
    private final byte[] stages;
    private final int[] parts;
    private final int[] replyLengths;
    private final ExtentList[] extents;

    RequestTable(final int capacity) {
        free = new int[capacity];
        for (int i = 0; i < capacity; i++) {
            free[i] = capacity - 1 - i;
        }
        freeCount = capacity;
        commands = new int[capacity];
        flags = new int[capacity];
        cookies = new long[capacity];
        offsets = new long[capacity];
        lengths = new long[capacity];
        contexts = new int[capacity];
        slots = new int[capacity];
        errnos = new int[capacity];
        stages = new byte[capacity];
        parts = new int[capacity];
        replyLengths = new int[capacity];
        extents = new ExtentList[capacity];
    }

    boolean isFull() {
        return freeCount == 0;
    }

    boolean isEmpty() {
        return freeCount == free.length;
    }

    /** Adds a request whose reply has that slot of the reply ring. Answers its index. */
    int add(final Request request, final int slot) {
        final int index = free[--freeCount];
        commands[index] = request.command();
        flags[index] = request.flags();
        cookies[index] = request.cookie();
        offsets[index] = request.offset();
        lengths[index] = request.length();
        contexts[index] = request.contexts();
        slots[index] = slot;
        errnos[index] = 0;
        stages[index] = SEARCHING;
        parts[index] = 0;
        replyLengths[index] = 0;
        return index;
    }

    void remove(final int index) {
        free[freeCount++] = index;
    }

    int command(final int index) {
        return commands[index];
    }

    boolean has(final int index, final int flag) {
        return (flags[index] & flag) != 0;
    }

    long cookie(final int index) {
        return cookies[index];
    }

    long offset(final int index) {
        return offsets[index];
    }

    long length(final int index) {
        return lengths[index];
    }

    int contexts(final int index) {
        return contexts[index];
    }

    int slot(final int index) {
        return slots[index];
    }

    /** The request failed; the first error stands. */
    void failed(final int index, final int errno) {
        if (errnos[index] == 0) {
            errnos[index] = errno;
        }
    }

    int errno(final int index) {
        return errnos[index];
    }

    /** Whether a read still looks for holes. */
    boolean isSearching(final int index) {
        return stages[index] == SEARCHING;
    }

    /** A read now waits for so many parts. */
    void reading(final int index, final int partCount) {
        stages[index] = READING;
        parts[index] = partCount;
    }

    /** One part of a read is done. Answers how many are left. */
    int finishPart(final int index) {
        return --parts[index];
    }

    /** The request now waits for the disk's flush. */
    void flushing(final int index) {
        stages[index] = FLUSHING;
    }

    boolean isFlushing(final int index) {
        return stages[index] == FLUSHING;
    }

    void replyLength(final int index, final int length) {
        replyLengths[index] = length;
    }

    int replyLength(final int index) {
        return replyLengths[index];
    }

    /** The request's own list, made when it is first needed and kept. */
    ExtentList extents(final int index) {
        if (extents[index] == null) {
            extents[index] = new ExtentList(EXTENTS_MAX);
        }
        return extents[index];
    }
}
