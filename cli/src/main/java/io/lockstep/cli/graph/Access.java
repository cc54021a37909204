package io.lockstep.cli.graph;

/**
 * How a node may be used, and how what guests change there is done.
 *
 * @param isReadOnly nothing of it may be changed
 * @param ignoresDiscards what is trimmed stays allocated, and what is zeroed, too
 * @param isWrittenThrough each change is on stable storage before it is answered
 */
record Access(boolean isReadOnly, boolean ignoresDiscards, boolean isWrittenThrough) {
    /** As it is where nothing is said of it. */
    static final Access PLAIN = new Access(false, false, false);
}
