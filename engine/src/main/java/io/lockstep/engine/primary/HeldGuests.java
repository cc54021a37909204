package io.lockstep.engine.primary;

/**
 * The guests of a primary's disks, which can be made to wait: what they ask for then is neither
 * answered nor refused. On the guest's loop.
 */
public interface HeldGuests {
    /**
     * Holds what comes from now on.
     *
     * @param whenQuiet runs when all that had come before is answered
     */
    void hold(Runnable whenQuiet);

    /** They go on where they were. */
    void letGo();
}
