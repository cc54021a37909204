package io.lockstep.engine.node;

/**
 * Two nodes meet, of which one wants to be the primary of the other: what each finds out from what
 * both say of themselves. Both compute it, and a pair replicates only where both come to the same.
 * Stateless. The table is in docs/lives.md.
 */
public final class Meeting {
    /** What they find. */
    public enum Answer {
        /** They meet for the first time, and are equal. */
        PAIR(Outcome.EQUAL),

        /** The same process as before: its log has all that was not answered. */
        GO_ON_FROM_LOG(Outcome.EQUAL),

        /** The primary was stopped when its peer had everything, and nothing has come since. */
        GO_ON(Outcome.EQUAL),

        /** The first time, and only the primary's disk has data. */
        FIRST_SYNCHRONISATION(Outcome.MADE_EQUAL),

        /** The secondary's disk has data, and somebody has said that it may be overwritten. */
        JOIN(Outcome.MADE_EQUAL),

        /** The secondary's disk has data that nobody has given up. */
        WAIT_FOR_JOIN(Outcome.REFUSED),

        /** The secondary has nothing that counts, and lacks something. */
        SYNCHRONISE(Outcome.MADE_EQUAL),

        /** The peer is, or follows, one that took over from this primary. */
        PEER_IS_NEWER(Outcome.REFUSED),

        /** One of them was forced to take over with what was no checkpoint, the other is whole. */
        TORN_TAKEOVER(Outcome.REFUSED),

        /** Each has acknowledged what the other lacks. */
        SPLIT_BRAIN(Outcome.REFUSED),

        /** They have nothing in common. */
        UNRELATED(Outcome.REFUSED),

        /** Who wants to be the primary is none, as its record says. */
        NO_PRIMARY(Outcome.REFUSED),

        /** They are one: a record and its copy. */
        ONE_NODE(Outcome.REFUSED);

        private final Outcome outcome;

        Answer(final Outcome outcome) {
            this.outcome = outcome;
        }

        /** Whether the pair replicates. */
        public boolean isAgreed() {
            return outcome != Outcome.REFUSED;
        }

        /** Whether the secondary is made equal first. */
        public boolean isSynchronised() {
            return outcome == Outcome.MADE_EQUAL;
        }

        /** Whether somebody may say something, on either side, that makes it another one. */
        public boolean isMatterOfDecision() {
            return switch (this) {
                case TORN_TAKEOVER, SPLIT_BRAIN, UNRELATED, WAIT_FOR_JOIN -> true;
                default -> false;
            };
        }
    }

    private enum Outcome {
        EQUAL,
        MADE_EQUAL,
        REFUSED
    }

    private Meeting() {}

    /**
     * Answers what they find.
     *
     * @param primary who wants to replicate; in a group of its own, or that of the secondary
     * @param secondary whom it wants to replicate to
     * @param word what the user of the primary says
     */
    public static Answer of(final Summary primary, final Summary secondary, final Word word) {
        final Answer answer = find(primary, secondary, word);
        final boolean isKnownBetter =
                word == Word.NOW
                        && yieldsToWord(answer, secondary)
                        && !secondary.hasConcededTo(primary); // their ways are known to have parted
        return isKnownBetter ? Answer.PAIR : answer;
    }

    private static Answer find(final Summary primary, final Summary secondary, final Word word) {
        if (primary.node().equals(secondary.node())) {
            return Answer.ONE_NODE;
        }
        if (!primary.standing().isPrimary()) {
            return Answer.NO_PRIMARY;
        }
        return secondary.standing() == Standing.FRESH
                ? firstMeeting(primary, secondary, word)
                : meetAgain(primary, secondary);
    }

    /** Whether it only says that something is not known, which somebody may know better. */
    private static boolean yieldsToWord(final Answer answer, final Summary secondary) {
        return switch (answer) {
            case FIRST_SYNCHRONISATION, JOIN, WAIT_FOR_JOIN, SYNCHRONISE ->
                    Transition.of(secondary.standing(), Happening.FOLLOW).isPresent();
            case PAIR,
                    GO_ON,
                    GO_ON_FROM_LOG,
                    PEER_IS_NEWER,
                    TORN_TAKEOVER,
                    SPLIT_BRAIN,
                    UNRELATED,
                    NO_PRIMARY,
                    ONE_NODE ->
                    false;
        };
    }

    private static Answer firstMeeting(
            final Summary primary, final Summary secondary, final Word word) {
        if (primary.isEmpty() && secondary.isEmpty()) {
            return Answer.PAIR;
        }
        if (word == Word.AT_FIRST && primary.peer().isNone()) {
            return Answer.PAIR;
        }
        if (secondary.isEmpty()) {
            return Answer.FIRST_SYNCHRONISATION;
        }
        return secondary.isJoining() ? Answer.JOIN : Answer.WAIT_FOR_JOIN;
    }

    private static Answer meetAgain(final Summary primary, final Summary secondary) {
        final Id common = primary.lineage().newestCommon(secondary.lineage());
        if (!primary.group().equals(secondary.group()) || common.isNone()) {
            return Answer.UNRELATED;
        }
        if (secondary.hasConcededTo(primary)) {
            return isSame(primary.session(), secondary.session())
                    ? Answer.GO_ON_FROM_LOG
                    : Answer.SYNCHRONISE;
        }
        if (hasItsOwn(secondary, common)) {
            if (hasItsOwn(primary, common)) {
                return Answer.SPLIT_BRAIN;
            }
            return secondary.lineage().isTornSince(common)
                    ? Answer.TORN_TAKEOVER
                    : Answer.PEER_IS_NEWER;
        }
        if (secondary.standing() != Standing.INCONSISTENT
                && primary.lineage().isTornSince(common)) {
            return Answer.TORN_TAKEOVER; // what the secondary holds is the better of the two
        }
        if (secondary.standing() == Standing.REIGNING) {
            final boolean isAncestor = !common.equals(primary.lineage().newest());
            return isAncestor ? Answer.SYNCHRONISE : Answer.PEER_IS_NEWER;
        }
        return hasAll(primary, secondary);
    }

    /** Whether it may have acknowledged what the other lacks: in a reign, or alone. */
    private static boolean hasItsOwn(final Summary node, final Id common) {
        return node.standing() == Standing.ALONE || !common.equals(node.lineage().newest());
    }

    /** A secondary that has nothing of its own: whether it has all that the primary has. */
    private static Answer hasAll(final Summary primary, final Summary secondary) {
        if (isOldCopy(primary, secondary)) {
            return Answer.SYNCHRONISE;
        }
        if (isSame(primary.session(), secondary.session())) {
            return Answer.GO_ON_FROM_LOG; // perhaps in the midst of a synchronisation
        }
        // Without buffers it can't go back, but its disks have what the primary's have.
        return secondary.standing() != Standing.OUTDATED
                        && isSame(primary.leftSession(), secondary.leftSession())
                ? Answer.GO_ON
                : Answer.SYNCHRONISE;
    }

    /**
     * Whether a secondary is behind where its primary knew it to be: its buffers are gone, or an
     * old copy was put in its place.
     */
    private static boolean isOldCopy(final Summary primary, final Summary secondary) {
        return secondary.committedEpoch() < primary.committedEpoch();
    }

    private static boolean isSame(final Id one, final Id other) {
        return !one.isNone() && one.equals(other);
    }

    /**
     * Says what was found to whoever started the primary, and what to do.
     *
     * @param answer what {@link #of} found
     */
    public static String sentence(
            final Answer answer, final Summary primary, final Summary secondary, final Word word) {
        return switch (answer) {
            case PAIR, GO_ON, GO_ON_FROM_LOG -> "the disks are equal";
            case FIRST_SYNCHRONISATION -> "the secondary's disk is empty, and the primary's is not";
            case JOIN -> "the secondary's disk may be overwritten";
            case WAIT_FOR_JOIN ->
                    "the pair is not known to be equal: the secondary's disk has data of its own; "
                            + howToPair(primary, word);
            case SYNCHRONISE -> difference(primary, secondary);
            case PEER_IS_NEWER ->
                    newer(primary, secondary)
                            + ", and what was acknowledged since then would be lost; start this"
                            + " node as its secondary with 'lockstep node', which gets what"
                            + " differs";
            case TORN_TAKEOVER -> tornTakeover(primary, secondary);
            case SPLIT_BRAIN ->
                    "split brain: both nodes have acknowledged writes that the other may lack, this"
                            + " one "
                            + wayOf(primary, secondary)
                            + ", the peer "
                            + wayOf(secondary, primary)
                            + "; both keep what they have. "
                            + HOW_TO_RESOLVE;
            case UNRELATED -> unrelated(primary, secondary);
            case NO_PRIMARY ->
                    "this node "
                            + primary.standing().sentence()
                            + ", and replicates to nobody; start it as a secondary, or have it take"
                            + " over with 'lockstep failover' first";
            case ONE_NODE ->
                    "both sides are one node ("
                            + primary.node().brief()
                            + "), whose state was copied with its disk; have the copy give way: "
                            + HOW_TO_GIVE_WAY;
        };
    }

    /**
     * Says that the peer is newer, and since when, without what follows from that.
     *
     * @param primary who has found it
     */
    public static String newer(final Summary primary, final Summary secondary) {
        return "the peer is newer: it "
                + (secondary.standing().isSecondary() ? "follows one that " : "")
                + "took over"
                + (hasParted(secondary, primary) ? " at " + parting(secondary, primary) : "");
    }

    /** What to do on the node that gives way, whatever its command line says that it is first. */
    public static final String HOW_TO_GIVE_WAY =
            "stop it, say 'lockstep join --state DIR' on its host (the directory of its state,"
                    + " FILE.lockstep beside a disk FILE), and start it again with the same"
                    + " 'lockstep node', or as a secondary";

    private static final String HOW_TO_RESOLVE =
            "Decide which one gives way, and say 'lockstep resolve' there, which says what it has,"
                + " and then the same with --discard; or, where it does not run, say 'lockstep join"
                + " --state DIR' on its host (the directory of its state, FILE.lockstep beside a"
                + " disk FILE), and start it again with the same 'lockstep node', or as a"
                + " secondary";

    private static final String HOW_TO_DECIDE = "Decide which one gives way, " + HOW_TO_GIVE_WAY;

    private static final String HOW_TO_JOIN =
            "if it may be overwritten, say 'lockstep join' there, once: what is equal is not sent";

    private static String howToPair(final Summary primary, final Word word) {
        if (primary.peer().isNone()) {
            return HOW_TO_JOIN
                    + ", and start the primary again; or, where you know it equal, start that with"
                    + " --assume-identical";
        }
        return (word == Word.AT_FIRST
                        ? "--assume-identical holds for a first meeting only, and this primary was"
                                + " in a pair before; "
                        : "")
                + HOW_TO_JOIN;
    }

    private static String difference(final Summary primary, final Summary secondary) {
        if (secondary.hasConcededTo(primary)) {
            return "the secondary has given its own way up, as was said there";
        }
        return switch (secondary.standing()) {
            case INCONSISTENT ->
                    "the secondary has lost its buffers, and stands between two checkpoints";
            case OUTDATED -> "the secondary was left behind, and lacks what was written since";
            case REIGNING ->
                    "the secondary was the primary until this node took over at "
                            + parting(primary, secondary)
                            + ", and has what it wrote behind the last checkpoint";
            case FRESH, FOLLOWING, ALONE ->
                    secondary.committedEpoch() < primary.committedEpoch()
                            ? "the secondary is at epoch "
                                    + secondary.committedEpoch()
                                    + " and was at "
                                    + primary.committedEpoch()
                                    + " once: an old copy was put in its place"
                            : "the primary was not stopped in good order, or went on without the"
                                    + " secondary";
        };
    }

    private static String unrelated(final Summary primary, final Summary secondary) {
        if (primary.group().equals(secondary.group())) {
            return "the two nodes have no generation in common any more: more than "
                    + Lineage.LENGTH_MAX
                    + " began since they were a pair. "
                    + HOW_TO_DECIDE;
        }
        return "the two disks have nothing in common: the secondary's belongs to another pair"
                + " (group "
                + secondary.group().brief()
                + "); "
                + (secondary.standing().isPrimary()
                        ? "it serves its guest there, or did: to have it overwritten, "
                                + HOW_TO_GIVE_WAY
                        : HOW_TO_JOIN);
    }

    private static String tornTakeover(final Summary primary, final Summary secondary) {
        final Id common = primary.lineage().newestCommon(secondary.lineage());
        return primary.lineage().isTornSince(common)
                ? "this node was forced to take over at "
                        + parting(primary, secondary)
                        + " with a torn disk, and the secondary's disk is the whole one, which is"
                        + " not overwritten unasked. To have it overwritten all the same, say"
                        + " 'lockstep join' there. To keep it, "
                        + "have this one give way, "
                        + "while the other one is the primary ('lockstep failover' there, or"
                        + " 'lockstep node' and 'lockstep promote' where it was one): "
                        + HOW_TO_GIVE_WAY
                : "the peer was forced to take over at "
                        + parting(secondary, primary)
                        + " with a torn disk, and this node's disk is the whole one, which is not"
                        + " overwritten unasked. To keep it, say 'lockstep promote' here if the"
                        + " guest waits, and have the peer give way: "
                        + HOW_TO_GIVE_WAY
                        + ". To take the peer's content, say 'lockstep join' here while the guest"
                        + " waits, and start this node again";
    }

    /** Whether a node went a way that the other does not know, rather than the one of both. */
    private static boolean hasParted(final Summary node, final Summary other) {
        return !other.lineage().has(node.lineage().newest());
    }

    /** Where and when it did so first. */
    private static String parting(final Summary node, final Summary other) {
        return node.lineage().successorOf(node.lineage().newestCommon(other.lineage())).beginning();
    }

    private static String wayOf(final Summary node, final Summary other) {
        return hasParted(node, other)
                ? "from "
                        + parting(node, other)
                        + " on"
                        + (node.lineage().isTornSince(node.lineage().newestCommon(other.lineage()))
                                ? ", forced from what was no checkpoint"
                                : "")
                : "alone, since it lost its link";
    }
}
