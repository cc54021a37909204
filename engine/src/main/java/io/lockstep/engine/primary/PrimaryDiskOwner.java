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

    /** A request of the guest's has its place in the log, if it needs one. */
    default void onEntered(final PrimaryOperation operation) {}

    /** Whether a request that is done here is answered later: then it is told. */
    default boolean holds(final PrimaryOperation operation) {
        return false;
    }

    /** A request of the guest has failed. */
    void onGuestError(String disk, long offset, int errno);

    /** A change has failed, and what it left can't be read: it can't be forwarded. */
    void onUnknown(String disk, long offset, long end, int errno);
}
