package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;

/**
 * How the secondary comes to what the guest changes: it is sent ({@link DataForwarding}), or the
 * secondary sees the same disks, and is told before ({@link Announcements}). Chosen once, when the
 * group is made. On the guest's loop unless said otherwise.
 */
interface Forwarding extends AutoCloseable {
    /** What the guest uses of a disk; called for each, in their order. */
    PrimaryDisk disk(Disk local, int number);

    /** Which disks are looked at, whether they are empty, before the first meeting. */
    EmptyDisks emptyDisks();

    /** Flags with which the primary attaches. */
    int attachFlags();

    /** Whether what the guest has changed came neither into the log nor to the secondary. */
    boolean isAlone();

    /** An epoch ends for a disk with that frame of its log, which is to be decided. */
    void seal(int disk, long frame);

    /** Nothing that is in the logs is sent any more. */
    void onSkipped();

    /** The link is cut, or has ended for good. */
    void onCut();

    /** Replication is ended by somebody, and the secondary is being told that it is left behind. */
    void onLeaving();

    /** The secondary has recorded that it is left behind. */
    void onPeerOut();

    /**
     * Runs an action when what the epochs that are sealed have written is on stable storage here,
     * as far as the secondary's own flush does not see to that. Where it can't be it doesn't.
     */
    void whenDurableHere(Runnable action);

    /** Whether the secondary sees the same disks, so that nothing can differ there. */
    boolean isOfOneDisk();

    /** Frames were released; on the link's loop. */
    void onReleased();

    /** Gives memory back. The guests have gone. */
    @Override
    void close();
}
