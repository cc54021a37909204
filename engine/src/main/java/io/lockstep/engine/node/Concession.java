package io.lockstep.engine.node;

/**
 * For whom a node has given its own way up, which it had while its peer went another one: a primary
 * of that name, in whose lineage that generation is. It holds for nobody else: not for another
 * peer, nor for another split. Immutable.
 *
 * @param peer the other node
 * @param generation its newest one when that was said
 */
public record Concession(Id peer, Id generation) {
    /** A node that has given nothing up. */
    public static final Concession NONE = new Concession(Id.NONE, Id.NONE);

    /** Checks that it is whole, or none. */
    public Concession {
        if (peer.isNone() != generation.isNone()) {
            throw new IllegalArgumentException("no concession: " + peer + ", " + generation);
        }
    }

    /** Whether nothing was given up. */
    public boolean isNone() {
        return peer.isNone();
    }

    /** Whether it was given up for this primary. */
    boolean isFor(final Summary primary) {
        return !isNone() && primary.node().equals(peer) && primary.lineage().has(generation);
    }
}
