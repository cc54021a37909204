package io.lockstep.engine.primary;

/** What the disks of a primary's guest ask and tell, on the disk's loop. */
interface PrimaryDiskOwner {
    long nanoTime();

    /** A frame of the log is decided. */
    void onDecided();

    /** Whether the secondary is told of flushes. */
    default boolean forwardsFlushes() {
        return true;
    }

    /** From one flush that it is told of to the next at least, in nanoseconds. */
    default long flushSpacingNanos() {
        return 0;
    }

    /** A request of the guest's has its place in the log, if it needs one. */
    default void onEntered(final PrimaryOperation operation) {}

    /** Whether a request that is done here is answered later: then it is told. */
    default boolean holds(final PrimaryOperation operation) {
        return false;
    }

    /** A request of the guest has failed. */
    void onGuestError(String disk, long offset, int errno);

    /**
     * What is there can't be read, and so it can't be forwarded: what a failed change has left, or
     * what a synchronisation was to send. Answers whether what is behind it in the log is sent all
     * the same.
     */
    boolean onUnknown(String disk, long offset, long end, int errno);
}
