package io.lockstep.engine.group;

/** Hears what a manager of a group may want to know. Called on the group's loop; must not block. */
public interface GroupEvents {
    /** What happened. */
    enum Event {
        /** Failure 1 or 5: a guest got an error from its disk. */
        GUEST_IO_ERROR,
        /** Failures 2, 3, 4 and 6: replication no longer holds; see {@link ReplicationError}. */
        REPLICATION_ERROR,
        /** The peer is connected. */
        LINK_UP,
        /** The peer is not connected any more. */
        LINK_DOWN,
        /** The log was full, and the policy says to go on without the secondary. */
        DETACHED,
        /** The secondary is not equal, and is being made so. */
        SYNCHRONISING,
        /** It is equal now, and a checkpoint was made. */
        SYNCHRONISED,
        /** A verification has ended; whether it found a difference the sentence says. */
        VERIFIED,
        /** Of a secondary that is made equal: there may not be room to keep its checkpoint. */
        CHECKPOINT_AT_RISK,
        /** There was none: until it is equal it can't take over. */
        CHECKPOINT_GIVEN_UP,
        /** An epoch was committed. */
        CHECKPOINT,
        /** One that was committed is on the secondary's stable storage; the epoch is that one. */
        DURABLE,
        /** Failover is done: the guest is served from the last checkpoint. */
        FAILOVER,
        /** The secondary has taken over what this primary handed over: this process is none now. */
        HANDED_OVER,
        /** The secondary has recorded that its primary went on without it. */
        LEFT_BEHIND,
        /** The roles were not switched, or it is not known whether they were. */
        NOT_HANDED_OVER,
        /** The merge came to its end: the disks are plain files again. */
        MERGE_COMPLETED,
        /** Failure 7: the merge met an error; it will be tried again. */
        MERGE_FAILED
    }

    /**
     * Something happened.
     *
     * @param disk the disk's name; empty where it is none of one disk
     * @param epoch the committed epoch, unless the event is about another one
     * @param sentence for people
     */
    void onEvent(Event event, String disk, long epoch, String sentence);

    /** A job has begun, has ended, or stands otherwise than before. */
    default void onJob(final Job.Report report) {}
}
