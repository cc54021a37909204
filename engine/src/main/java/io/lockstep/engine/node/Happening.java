package io.lockstep.engine.node;

/** What happens to a node and changes where it stands; each is recorded before it counts. */
public enum Happening {
    /** Starts as the first primary of a new group. */
    REIGN("begin a pair"),
    /** A primary is attached, whose generation is its own from now on. */
    FOLLOW("follow a primary"),
    /** A primary is attached, and begins to make it equal. */
    CATCH_UP("be synchronised"),
    /** Opened without its buffers, or they were given up, in the midst of an epoch. */
    TEAR("lose its buffers"),
    /** The primary says that it goes on without this node. */
    OUTDATE("be left behind"),
    /** Takes over at the last checkpoint. */
    PROMOTE("take over"),
    /** Takes over with what there is, because somebody insists. */
    FORCE("be forced to take over"),
    /** The next write that is acknowledged may not reach the peer: a new generation. */
    PART("go on alone"),
    /** The peer has taken this node's newest generation over. */
    REJOIN("be joined by a peer"),
    /** Its peer has taken over what it handed over, and it is that one's secondary. */
    HAND_OVER("hand its role over"),
    /** Gives its own way up for a peer that went another one, whose secondary it is. */
    CONCEDE("give its own way up"),
    /** Is taken out of its pair. */
    FORGET("be forgotten");

    private final String verb;

    Happening(final String verb) {
        this.verb = verb;
    }

    /** What a node does then, or can't do: "it can't ...". */
    public String verb() {
        return verb;
    }
}
