package io.lockstep.simulator;

/**
 * What a node may find or refuse, by a part of the sentence with which it says so. Where two nodes
 * agree nothing is said: those are noted by who sees it.
 */
enum LivesLine {
    PAIR(""),
    GO_ON(""),
    GO_ON_FROM_LOG(""),
    FIRST_SYNCHRONISATION(""),
    SYNCHRONISE(""),
    WAIT_FOR_JOIN("the secondary's disk has data of its own"),
    WORD_OF_ANOTHER_TIME("--assume-identical holds for a first meeting only"),
    PEER_IS_NEWER("the peer is newer"),
    TORN_TAKEOVER("with a torn disk, and"),
    SPLIT_BRAIN("split brain"),
    UNRELATED("belongs to another pair"),
    ONE_NODE("both sides are one node"),
    START_NO_PRIMARY(", as its state says; start it"),
    START_NO_SECONDARY("this node is a primary, as its state says"),
    START_OTHER_DISK("the state is that of"),
    START_BUFFERS_OF_ANOTHER_NODE("are those of another node"),
    START_PUT_BACK("the state is older (record"),
    START_FORGOTTEN("which this one was before it was taken out"),
    START_IN_A_MERGE("the merge is not done: its disks lack"),
    THE_GUEST_WAITS("the guest waits: this primary can't know"),
    VERDICT_NO_CHECKPOINT("no primary has ever been attached"),
    VERDICT_TORN("and the pre-images to go back are lost;"),
    VERDICT_LEFT_BEHIND("the primary went on without this node"),
    VERDICT_PRIMARY_LIVES("the primary is linked and alive"),
    CHECKPOINT_AT_RISK("there may not be room to keep the checkpoint"),
    CHECKPOINT_GIVEN_UP("there is no room for another pre-image"),
    STOP_WOULD_BE_TORN("as plain disks they would be torn"),
    FORGET_IN_A_MERGE("a merge is not done, and the buffers hold"),
    NOT_RECORDED("the state can't be recorded"),

    VERDICT_UNFENCED("nobody has said that the primary writes them no more", Stories.SHARED),
    VERDICT_UNANNOUNCED("may have gone on without this node", Stories.SHARED),
    TAKEN_OVER("", Stories.SHARED),
    CAME_BACK("", Stories.SHARED),
    GAVE_WAY("", Stories.SHARED),
    TORN("", Stories.SHARED),
    POWER_LOST("", Stories.SHARED),

    ROLE_TAKEN("", Stories.SWITCH),
    ROLE_KEPT("the roles stay as they were", Stories.SWITCH),
    ROLE_IN_DOUBT("was asked to take over at epoch", Stories.SWITCH),
    ROLE_NOT_WANTED("the primary does not hand over now", Stories.SWITCH);

    private final String part;
    private final Stories stories;

    /** Which stories come to a line. */
    enum Stories {
        /** All but those that are named below. */
        OTHERS,
        /** Those alone in which roles are switched. */
        SWITCH,
        /** Those alone whose disks are shared. */
        SHARED
    }

    LivesLine(final String part) {
        this(part, Stories.OTHERS);
    }

    LivesLine(final String part, final Stories stories) {
        this.part = part;
        this.stories = stories;
    }

    Stories stories() {
        return stories;
    }

    /** Whether a sentence says it. */
    boolean isIn(final String sentence) {
        return !part.isEmpty() && sentence.contains(part);
    }
}
