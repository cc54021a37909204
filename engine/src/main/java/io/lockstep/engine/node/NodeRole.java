package io.lockstep.engine.node;

import java.util.Optional;

/** What a process of a node begins as, as its record says: docs/lives.md, "A process begins". */
public enum NodeRole {
    /** It serves its guest, once it knows that nobody else does, and replicates. */
    PRIMARY,

    /** It takes a primary's writes. */
    SECONDARY,

    /**
     * It has taken over, or its peer is out: it serves its guest, from the plain disk once the
     * merge is done, and no primary is taken.
     */
    PROMOTED;

    /**
     * Empty where the node was never in a pair: then somebody has to say it, unless somebody has
     * said that its disks may be overwritten.
     */
    public static Optional<NodeRole> of(final NodeRecord record) {
        final Standing standing = record.standing();
        if (standing == Standing.FRESH) {
            return record.isJoining() ? Optional.of(SECONDARY) : Optional.empty();
        }
        if (standing.isSecondary()) {
            return Optional.of(SECONDARY);
        }
        // What a merge has not done lies in buffers, which only the second half of a pair opens.
        return Optional.of(record.isPeerOut() || record.isMerging() ? PROMOTED : PRIMARY);
    }
}
