package io.lockstep.nbd;

/**
 * One request in flight, as {@link PendingRequests} keeps it: what was asked, and how far the reply
 * has come. The object belongs to its place in the table and is used again by the next request
 * there.
 */
public final class PendingRequest {
    private final int index;
    private final Coverage coverage = new Coverage();
    private int command;
    private int flags;
    private long offset;
    private long length;
    private long generation;
    private boolean inFlight;

    // How far the reply has come.
    private int error;
    private int contentChunks;
    private int contexts;

    PendingRequest(final int index) {
        this.index = index;
    }

    void start(
            final int newCommand, final int newFlags, final long newOffset, final long newLength) {
        assert !inFlight;
        generation++;
        inFlight = true;
        command = newCommand;
        flags = newFlags;
        offset = newOffset;
        length = newLength;
        error = 0;
        contentChunks = 0;
        contexts = 0;
        coverage.clear();
    }

    void end() {
        inFlight = false;
    }

    /** Its place in the table, from 0 on. */
    public int index() {
        return index;
    }

    /** Its name on the wire. No two requests of one connection bear the same one. */
    public long cookie() {
        return generation << PendingRequests.INDEX_BITS | index;
    }

    /** {@code Nbd.CMD_*}. */
    public int command() {
        return command;
    }

    /** {@code Nbd.CMD_FLAG_*}. */
    public int flags() {
        return flags;
    }

    /** First byte of the export that it is about. */
    public long offset() {
        return offset;
    }

    /** How many bytes it is about. */
    public long length() {
        return length;
    }

    boolean isInFlight() {
        return inFlight;
    }

    boolean has(final int flag) {
        return (flags & flag) != 0;
    }

    /** The first error that the reply told of, or 0. */
    int error() {
        return error;
    }

    void fail(final int newError) {
        if (error == 0) {
            error = newError;
        }
    }

    /** Whether [start, start + count) lies within the request's range, all unsigned. */
    boolean contains(final long start, final long count) {
        final long relative = start - offset;
        return relative >= 0 && count >= 0 && relative <= length && count <= length - relative;
    }

    /** Notes a chunk of a read, and answers false where it overlaps with an earlier one. */
    boolean cover(final long start, final long count) {
        contentChunks++;
        return coverage.add(start, start + count);
    }

    int contentChunks() {
        return contentChunks;
    }

    boolean isCovered() {
        return coverage.covered() == length;
    }

    /** Notes the status of a context, by its place, and answers false where it came before. */
    boolean addContext(final int contextIndex) {
        final int bit = 1 << contextIndex;
        final boolean isFirst = (contexts & bit) == 0;
        contexts |= bit;
        return isFirst;
    }

    int contextCount() {
        return Integer.bitCount(contexts);
    }
}
