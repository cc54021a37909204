package io.lockstep.engine.node;

/**
 * Where a node stands, as its record says. How it gets from one to another is in {@link
 * Transition}.
 */
public enum Standing {
    /** Never in a pair, or taken out of it. */
    FRESH(0, "was never in a pair"),

    /** A secondary that holds, or can go back to, a checkpoint. */
    FOLLOWING(1, "is a secondary"),

    /** A secondary between checkpoints, without the pre-images to go back. */
    INCONSISTENT(2, "is a secondary between two checkpoints, without the way back to one"),

    /** A secondary that holds a checkpoint, and knows that the primary went on without it. */
    OUTDATED(3, "is a secondary that the primary has left behind"),

    /** A primary all of whose writes its peer has, or gets. */
    REIGNING(4, "is a primary"),

    /** A primary that acknowledges writes which its peer may not get. */
    ALONE(5, "is a primary without its peer");

    private final byte code;
    private final String sentence;

    Standing(final int code, final String sentence) {
        this.code = (byte) code;
        this.sentence = sentence;
    }

    /** What stands for it in records and on the wire, for good. */
    byte code() {
        return code;
    }

    /**
     * What a code stands for.
     *
     * @throws IllegalArgumentException where it stands for nothing
     */
    static Standing of(final byte code) {
        for (final Standing standing : values()) {
            if (standing.code == code) {
                return standing;
            }
        }
        throw new IllegalArgumentException("no standing: " + code);
    }

    /** What is said of such a node: "the node ...". */
    public String sentence() {
        return sentence;
    }

    /** Whether it writes by itself: there is, or may be, something that its peer lacks. */
    public boolean isPrimary() {
        return this == REIGNING || this == ALONE;
    }

    /** Whether it holds, or can go back to, a checkpoint, and takes another node's writes. */
    public boolean isConsistent() {
        return this == FOLLOWING || this == OUTDATED;
    }

    /** Whether it takes another node's writes. */
    public boolean isSecondary() {
        return this == FOLLOWING || this == INCONSISTENT || this == OUTDATED;
    }
}
