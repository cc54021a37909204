package io.lockstep.engine.primary;

/** What becomes of the guest's writes when the forward log is full. */
public enum FullLogPolicy {
    /**
     * They wait while the secondary takes what is in the log within two seconds. Otherwise, and
     * where it is away, the guest pulls ahead: what it changes is noted, and sent as it is then
     * when the secondary has caught up with the log. A secondary that knows no epochs is waited
     * for.
     */
    AHEAD,
    /** They wait until the secondary has answered older ones. */
    BLOCK,
    /** The secondary is given up: the guest goes on, and what the secondary lacks is noted. */
    DETACH
}
