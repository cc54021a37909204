package io.lockstep.engine.node;

import java.time.Instant;

/**
 * Two nodes meet, of which one wants to be the primary of the other: what each finds out from what
 * both say of themselves. Both compute it, and a pair replicates only where both come to the same.
 * Stateless. The table is in docs/lives.md.
 */
public final class Meeting {
    /** What they find. */
    public enum Answer {
        /** They meet for the first time, and are equal. */
        PAIR(true),

        /** The same process as before: its log has all that was not answered. */
        GO_ON_FROM_LOG(true),

        /** The primary was stopped when its peer had everything, and nothing has come since. */
        GO_ON(true),

        /** The first time, and only the primary's disk has data. */
        FIRST_SYNCHRONISATION(false),

        /** The secondary's disk has data that nobody has given up. */
        WAIT_FOR_JOIN(false),

        /** The secondary has nothing of its own; what it lacks is not known. */
        SYNCHRONISE(false),

        /** The peer is, or follows, one that took over from this primary. */
        PEER_IS_NEWER(false),

        /** Each has acknowledged what the other lacks. */
        SPLIT_BRAIN(false),

        /** They have nothing in common. */
        UNRELATED(false);

        private final boolean isAgreed;

        Answer(final boolean isAgreed) {
            this.isAgreed = isAgreed;
        }

        /** Whether the pair replicates. */
        public boolean isAgreed() {
            return isAgreed;
        }
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
        final Answer answer =
                secondary.standing() == Standing.FRESH
                        ? firstMeeting(primary, secondary, word)
                        : meetAgain(primary, secondary);
        return word == Word.NOW && yieldsToWord(answer) ? Answer.PAIR : answer;
    }

    /** Whether it only says that something is not known, which somebody may know better. */
    private static boolean yieldsToWord(final Answer answer) {
        return switch (answer) {
            case FIRST_SYNCHRONISATION, WAIT_FOR_JOIN, SYNCHRONISE -> true;
            case PAIR, GO_ON, GO_ON_FROM_LOG, PEER_IS_NEWER, SPLIT_BRAIN, UNRELATED -> false;
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
        return secondary.isEmpty() ? Answer.FIRST_SYNCHRONISATION : Answer.WAIT_FOR_JOIN;
    }

    private static Answer meetAgain(final Summary primary, final Summary secondary) {
        final Id common = primary.lineage().newestCommon(secondary.lineage());
        if (!primary.group().equals(secondary.group()) || common.isNone()) {
            return Answer.UNRELATED;
        }
        final boolean primaryWentOn = !common.equals(primary.lineage().newest());
        final boolean secondaryWentOn =
                secondary.standing().isPrimary() || !common.equals(secondary.lineage().newest());
        if (primaryWentOn && secondaryWentOn) {
            return Answer.SPLIT_BRAIN;
        }
        if (secondaryWentOn) {
            return Answer.PEER_IS_NEWER;
        }
        return hasAll(primary, secondary);
    }

    /** A secondary that has nothing of its own: whether it has all that the primary has. */
    private static Answer hasAll(final Summary primary, final Summary secondary) {
        final boolean isConsistent = secondary.standing() == Standing.FOLLOWING;
        if (isConsistent && secondary.session().equals(primary.session())) {
            return Answer.GO_ON_FROM_LOG;
        }
        final boolean isLeft =
                !primary.leftSession().isNone()
                        && primary.leftSession().equals(secondary.leftSession());
        return isLeft ? Answer.GO_ON : Answer.SYNCHRONISE;
    }

    /**
     * Says what was found to whoever started the primary, and what to do.
     *
     * @param answer what was found, and does not lead to a pair
     */
    public static String sentence(
            final Answer answer, final Summary primary, final Summary secondary, final Word word) {
        return switch (answer) {
            case PAIR, GO_ON, GO_ON_FROM_LOG -> "the disks are equal";
            case FIRST_SYNCHRONISATION ->
                    "the pair is not known to be equal: the secondary's disk is empty, and the"
                            + " primary's is not; "
                            + howToPair(primary, word);
            case WAIT_FOR_JOIN ->
                    "the pair is not known to be equal: the secondary's disk has data of its own; "
                            + howToPair(primary, word);
            case SYNCHRONISE -> unknownDifference(secondary) + "; " + HOW_TO_PAIR_ANEW;
            case PEER_IS_NEWER ->
                    "the peer is newer: it "
                            + (secondary.standing().isPrimary()
                                    ? "took over" + sinceWhen(primary, secondary)
                                    : "follows one that took over" + sinceWhen(primary, secondary))
                            + ", and what it has acknowledged since then would be lost; start this"
                            + " node as its secondary, with a copy of its disk, after 'lockstep"
                            + " state --forget' here";
            case SPLIT_BRAIN ->
                    "split brain: both nodes have acknowledged writes that the other lacks"
                            + sinceWhen(primary, secondary)
                            + "; both keep what they have. Decide which one gives way, copy the"
                            + " other one's disk to it, say 'lockstep state --forget' on both, and"
                            + " start the pair with --assume-identical";
            case UNRELATED ->
                    "the two disks have nothing in common: the secondary's belongs to another pair"
                            + " (group "
                            + secondary.group().brief()
                            + "); if it may be overwritten, say 'lockstep state --forget' there";
        };
    }

    private static final String HOW_TO_PAIR_ANEW =
            "copy the primary's disk to the secondary, say 'lockstep state --forget' on both, and"
                    + " start the primary with --assume-identical";

    private static String howToPair(final Summary primary, final Word word) {
        if (primary.peer().isNone()) {
            return "copy the primary's disk to the secondary, and start the primary with"
                    + " --assume-identical";
        }
        return (word == Word.AT_FIRST
                        ? "--assume-identical holds for a first meeting only, and this primary was"
                                + " in a pair before; "
                        : "")
                + HOW_TO_PAIR_ANEW;
    }

    private static String unknownDifference(final Summary secondary) {
        return switch (secondary.standing()) {
            case INCONSISTENT ->
                    "the secondary has lost its buffers, and stands between two checkpoints";
            case OUTDATED -> "the secondary was left behind, and lacks what was written since";
            case FRESH, FOLLOWING, REIGNING, ALONE ->
                    "what the secondary lacks is not known: the primary was not stopped in good"
                            + " order, or went on without it";
        };
    }

    /** Since when the two have gone different ways: the first generation that is not common. */
    private static String sinceWhen(final Summary primary, final Summary secondary) {
        final Id common = primary.lineage().newestCommon(secondary.lineage());
        if (common.isNone() || common.equals(secondary.lineage().newest())) {
            return "";
        }
        final Reign parted = secondary.lineage().successorOf(common);
        return " at epoch " + parted.origin() + " (" + Instant.ofEpochSecond(parted.began()) + ")";
    }
}
