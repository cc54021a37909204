package io.lockstep.engine.node;

/**
 * Where a node stands, as its record says. How it gets from one to another is in {@link
 * Transition}.
 */
public enum Standing {
    /** Never in a pair, or taken out of it. */
    FRESH("was never in a pair"),

    /** A secondary that holds, or can go back to, a checkpoint. */
    FOLLOWING("is a secondary"),

    /** A secondary between checkpoints, without the pre-images to go back. */
    INCONSISTENT("is a secondary between two checkpoints, without the way back to one"),

    /** A secondary that holds a checkpoint, and knows that the primary went on without it. */
    OUTDATED("is a secondary that the primary has left behind"),

    /** A primary all of whose writes its peer has, or gets. */
    REIGNING("is a primary"),

    /** A primary that acknowledges writes which its peer may not get. */
    ALONE("is a primary without its peer");

    private final String sentence;

    Standing(final String sentence) {
        this.sentence = sentence;
    }

    /** What is said of such a node: "the node ...". */
    public String sentence() {
        return sentence;
    }

    /** Whether it writes by itself: there is, or may be, something that its peer lacks. */
    public boolean isPrimary() {
        return this == REIGNING || this == ALONE;
    }

    /** Whether it takes another node's writes. */
    public boolean isSecondary() {
        return this == FOLLOWING || this == INCONSISTENT || this == OUTDATED;
    }
}
