package io.lockstep.engine.primary;

/** What a secondary was found to be: on all disks, and for good once the link has stood. */
enum SecondaryKind {
    /** It was not asked yet. */
    UNKNOWN,
    /** One of our own kind. */
    LOCKSTEP,
    /** A server that knows no epochs. */
    FOREIGN
}
