package io.lockstep.engine.node;

/**
 * What a node says for the case that it finds itself in a split brain. Immutable.
 *
 * @param policy who is to give way
 * @param changed bytes that it has changed by itself, at most, as it counted them when it found the
 *     other one; {@link #UNKNOWN} where it has not, or nothing is known of them
 * @param hasGuest whether a client of its guest is connected
 */
public record Stance(AfterSplitBrain policy, long changed, boolean hasGuest) {
    /** Bytes of which nothing is known. */
    public static final long UNKNOWN = -1;

    /** Of a node that has nothing to say. */
    public static final Stance NONE = new Stance(AfterSplitBrain.DISCONNECT, UNKNOWN, false);

    /** Checks the bounds. */
    public Stance {
        if (changed < UNKNOWN) {
            throw new IllegalArgumentException("no number of bytes: " + changed);
        }
    }

    /** Whether it is known how much it has changed. */
    public boolean isCounted() {
        return changed != UNKNOWN;
    }
}
