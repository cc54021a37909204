package io.lockstep.engine.primary;

import java.util.function.IntConsumer;

/** What the disks of a primary's guest ask and tell, on the guest's loop. */
interface PrimaryDiskOwner {
    long nanoTime();

    /** A frame of the log is decided. */
    void onDecided();

    /** Whether an acknowledgement has to wait for {@link #acknowledge}. */
    boolean isGated();

    /** Runs an acknowledgement when it may be given. */
    void acknowledge(IntConsumer acknowledgement);

    /** A request of the guest has failed. */
    void onGuestError(String disk, long offset, int errno);

    /** A change has failed, and what it left can't be read: it can't be forwarded. */
    void onUnknown(String disk, long offset, long end, int errno);
}
