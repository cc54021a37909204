package io.lockstep.engine.primary;

/** What becomes of the guest's writes when the forward log is full. */
public enum FullLogPolicy {
    /** They wait until the secondary has answered older ones. */
    BLOCK,
    /** The secondary is given up: the guest goes on, and what the secondary lacks is noted. */
    DETACH
}
