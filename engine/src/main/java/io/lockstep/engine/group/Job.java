package io.lockstep.engine.group;

/**
 * Work of a primary that takes a while and may be held up or ended by hand. On the group's loop; it
 * is one thing from its beginning to its end.
 */
public interface Job {
    /** What it does. */
    enum Kind {
        /** Makes the secondary equal. */
        SYNCHRONISATION,
        /** Compares. */
        VERIFICATION,
        /** What a failover has left to be written to the disks. */
        MERGE
    }

    /** How it stands. */
    enum State {
        /** It waits for its beginning. */
        CREATED,
        RUNNING,
        /** All is done but the checkpoint with which the secondary is equal. */
        READY,
        COMPLETED,
        CANCELLED,
        FAILED
    }

    /**
     * What there is to know: an immutable value. Lengths are in bytes.
     *
     * @param kind what it does
     * @param state how it stands
     * @param isPaused whether it does nothing until it is resumed
     * @param done of the total; grows
     * @param total may grow, too, as the guest goes on
     * @param speed what it does in a second at most; 0 where nobody has said
     * @param error why it has failed, a sentence; empty where it has not
     */
    record Report(
            Kind kind,
            State state,
            boolean isPaused,
            long done,
            long total,
            long speed,
            String error) {}

    /** How it stands now. */
    Report report();

    /** Holds it up, until {@link #resume}; over cuts of the link, too. */
    void pause();

    /** Has it go on. */
    void resume();

    /** Ends it. What it has done stays. */
    void cancel();

    /** Sets what it does in a second at most, in bytes; 0 for as much as it may by itself. */
    void speed(long bytes);
}
