package io.lockstep.engine.node;

import java.util.Optional;

/**
 * The answer to "may this node take over now": yes, or why not. Immutable.
 *
 * @param isAllowed whether a failover is accepted without being forced
 * @param reason why not, and what to do; empty where it is allowed
 * @param warning that it may soon be refused, and why; empty where nothing is known of that
 */
public record Verdict(boolean isAllowed, String reason, String warning) {
    private static final Verdict ALLOWED = new Verdict(true, "", "");

    /**
     * Judges a node that is no primary (I11).
     *
     * @param standing where it stands
     * @param heardNanosAgo how long ago a linked primary was heard last; empty where none is linked
     *     or where it can't be known, as of one that is no lockstep
     * @param silenceNanos how long a healthy primary may be silent
     */
    public static Verdict of(
            final Standing standing, final Optional<Long> heardNanosAgo, final long silenceNanos) {
        return switch (standing) {
            case FRESH ->
                    refused(
                            "no primary has ever been attached: there is no checkpoint to go to;"
                                    + " attach one first");
            case INCONSISTENT ->
                    refused(
                            "the disks stand between two checkpoints, and the pre-images to go back"
                                    + " are lost; take the primary's disk, or a copy of it");
            case OUTDATED ->
                    refused(
                            "the primary went on without this node, and what it acknowledged since"
                                    + " would be lost; take the primary's disk, or a copy of it");
            case REIGNING, ALONE ->
                    refused("this node is a primary already: there is nothing to do");
            case FOLLOWING ->
                    heardNanosAgo.isPresent() && heardNanosAgo.get() <= silenceNanos
                            ? refused(
                                    "the primary is linked and alive: two nodes would serve the"
                                            + " guest; stop it, or fence its host, first")
                            : ALLOWED;
        };
    }

    /** Of a node that was the primary, and waits for the one that took over to make it equal. */
    public static Verdict ofFormerPrimary() {
        return refused(
                "this node was the primary, and waits for the one that took over, which makes it"
                        + " equal: it has no checkpoint to go to before; to serve what its disks"
                        + " hold, stop it, start it with 'lockstep primary', and say 'lockstep"
                        + " promote'");
    }

    /** Of a node that has given its own way up, and waits for the one whose way holds. */
    public static Verdict ofConceded() {
        return refused(
                "this node has given its own way up for its peer, which makes it equal; forced, it"
                    + " goes back to what its disks held when it did, and the two are in a split"
                    + " brain again");
    }

    /**
     * Of a node whose disks the primary writes as well, as long as nobody says that it does not.
     */
    public static Verdict ofUnfenced() {
        return refused(
                "the disks are shared, and nobody has said that the primary writes them no more:"
                        + " fence its host, and say so ('lockstep failover --fenced')");
    }

    /**
     * Of a node whose disks the primary may have overwritten without announcing it.
     *
     * @param why it may have
     */
    public static Verdict ofUnannounced(final String why) {
        return refused(
                "the disks are shared, and the primary may have gone on without this node since"
                        + " the link was lost ("
                        + why
                        + "): what this node has is perhaps no checkpoint any more; start the"
                        + " primary again, which makes one; or, where the primary is gone for good,"
                        + " and fenced, say 'lockstep failover --force': the disks are taken as the"
                        + " primary has left them, as after a loss of its power");
    }

    /**
     * Of a node that has no checkpoint of disks which it shares with its primary: there is no other
     * copy to take, and what the primary has acknowledged is in them.
     *
     * @param standing where it stands
     * @return empty where it makes no difference that they are shared
     */
    public static Optional<Verdict> ofShared(final Standing standing) {
        return switch (standing) {
            case INCONSISTENT ->
                    Optional.of(
                            refused(
                                    "the shared disks stand between two checkpoints, and the"
                                        + " pre-images to go back are lost; start the primary"
                                        + " again, which makes a checkpoint; or, where the primary"
                                        + " is gone for good, and fenced, say 'lockstep failover"
                                        + " --force': the disks are taken as they are"));
            case OUTDATED ->
                    Optional.of(
                            refused(
                                    "the primary went on without this node, and overwrote the"
                                        + " shared disks without a way back; start the primary"
                                        + " again, which makes a checkpoint; or, where the primary"
                                        + " is gone for good, and fenced, say 'lockstep failover"
                                        + " --force': the disks are taken as the primary has left"
                                        + " them, as after a loss of its power"));
            case FRESH, FOLLOWING, REIGNING, ALONE -> Optional.empty();
        };
    }

    private static Verdict refused(final String reason) {
        return new Verdict(false, reason, "");
    }

    /** The same with a warning. */
    public Verdict warning(final String sentence) {
        return new Verdict(isAllowed, reason, sentence);
    }
}
