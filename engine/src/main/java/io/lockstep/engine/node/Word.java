package io.lockstep.engine.node;

/** What the user says of the two disks. */
public enum Word {
    /** Nothing. */
    NONE,

    /**
     * They are equal, says an argument that may be there at every start: it holds once, when two
     * nodes meet of which neither was ever in a pair.
     */
    AT_FIRST,

    /**
     * They are equal now, says a command that starts replication at this moment, as QEMU's {@code
     * xen-set-replication}: it holds unless the records prove the contrary.
     */
    NOW
}
