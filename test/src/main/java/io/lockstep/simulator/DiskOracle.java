package io.lockstep.simulator;

/**
 * Knows what a disk may hold from what its clients tell: what they ask for, and what they are
 * answered; and judges what they read.
 */
public interface DiskOracle {
    /** A point in time, for {@link #checkRead} and {@link #flushed}: when a client asks. */
    long now();

    /** A client asks for a write. */
    DiskModel.Change write(long offset, byte[] bytes);

    /** A client asks for zeroes. */
    DiskModel.Change zero(long offset, long count);

    /** A client lets go of a range. */
    DiskModel.Change discard(long offset, long count);

    /**
     * A change was answered.
     *
     * @param durable whether the answer also says that it is durable (FUA)
     */
    void succeeded(DiskModel.Change change, boolean durable);

    /** A change was answered with an error: any part of it may have come to pass by now. */
    void failed(DiskModel.Change change);

    /**
     * A change was answered with an error that says that nothing of it came, or will come, to pass.
     */
    void refused(DiskModel.Change change);

    /** A flush was answered that was asked for at that moment. */
    void flushed(long askedAt);

    /**
     * Judges what a client has read.
     *
     * @param askedAt when it asked
     * @throws AssertionError where that can't be
     */
    void checkRead(long askedAt, long offset, byte[] bytes);
}
