package io.lockstep.simulator;

/** The kinds of operations of a disk. */
public enum DiskOperation {
    READ,
    WRITE,
    ZERO,
    DISCARD,
    FLUSH,
    PREFETCH,
    EXTENTS
}
