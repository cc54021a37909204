package io.lockstep.engine.node;

import java.time.Instant;

/**
 * An entry of a {@link Lineage}: a generation, and where it began.
 *
 * @param generation one unbroken reign over a group's content
 * @param origin the epoch of the generation before it whose content it began from; 0 for the first
 * @param began when, in seconds since 1970: for people, who compare it with their logs
 * @param isTorn whether that content was no checkpoint: somebody insisted on a node that had none
 */
public record Reign(Id generation, long origin, long began, boolean isTorn) {
    /** The end of the year 9999: what is said to begin later is no time. */
    private static final long BEGAN_MAX = 253_402_300_799L;

    /** Checks that it has a name and begins somewhere, at some time. */
    public Reign {
        if (generation.isNone() || origin < 0 || began < 0 || began > BEGAN_MAX) {
            throw new IllegalArgumentException(
                    "no reign: " + generation + " from " + origin + " at " + began);
        }
    }

    /** One that begins from a checkpoint. */
    public Reign(final Id generation, final long origin, final long began) {
        this(generation, origin, began, false);
    }

    /** The same from what was no checkpoint. */
    public Reign torn() {
        return new Reign(generation, origin, began, true);
    }

    /** Where and when it began, for a sentence: "epoch 7 (2026-11-28T03:08:05Z)". */
    public String beginning() {
        return "epoch " + origin + " (" + Instant.ofEpochSecond(began) + ")";
    }
}
