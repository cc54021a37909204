package io.lockstep.engine.node;

/**
 * An entry of a {@link Lineage}: a generation, and where it began.
 *
 * @param generation one unbroken reign over a group's content
 * @param origin the epoch of the generation before it whose content it began from; 0 for the first
 * @param began when, in seconds since 1970: for people, who compare it with their logs
 */
public record Reign(Id generation, long origin, long began) {
    /** Checks that it has a name and begins somewhere. */
    public Reign {
        if (generation.isNone() || origin < 0) {
            throw new IllegalArgumentException("no reign: " + generation + " from " + origin);
        }
    }
}
