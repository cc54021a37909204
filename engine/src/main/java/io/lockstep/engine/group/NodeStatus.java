package io.lockstep.engine.group;

import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Verdict;

import java.util.Optional;

/**
 * What a group's node knows of itself at a moment: an immutable value.
 *
 * @param record what is recorded
 * @param waiting why the guest is not served yet, a sentence; empty where it is
 * @param refusal of a primary: what made it refuse its peer, if it has
 * @param verdict of a secondary: whether it may take over
 * @param loss what a failover would lose
 * @param room of a secondary: what it has for pre-images
 * @param onLostLink of a primary: what it does when its link is lost, in one word; empty of others
 */
public record NodeStatus(
        NodeRecord record,
        String waiting,
        Optional<Meeting.Answer> refusal,
        Optional<Verdict> verdict,
        Loss loss,
        Optional<RoomStatus> room,
        String onLostLink) {
    /** Of a node of which there is nothing more to tell than its record. */
    public static NodeStatus of(final NodeRecord record) {
        return ofPrimary(record, "", Optional.empty(), "");
    }

    /** Of one that nobody fails over. */
    public static NodeStatus ofPrimary(
            final NodeRecord record,
            final String waiting,
            final Optional<Meeting.Answer> refusal,
            final String onLostLink) {
        return new NodeStatus(
                record,
                waiting,
                refusal,
                Optional.empty(),
                Loss.NONE,
                Optional.empty(),
                onLostLink);
    }

    /** Whether the guest is not served yet. */
    public boolean isWaiting() {
        return !waiting.isEmpty();
    }

    /** Whether the peer has been met, and has taken over, or follows one that has. */
    public boolean isPeerNewer() {
        return refusal.equals(Optional.of(Meeting.Answer.PEER_IS_NEWER));
    }

    /**
     * What a failover would lose, as far as the secondary has heard of it: what came since the last
     * checkpoint.
     *
     * @param nanos since then
     * @param length bytes that were written since then
     * @param writes how many
     */
    public record Loss(long nanos, long length, long writes) {
        /** Of a node that nobody fails over. */
        public static final Loss NONE = new Loss(0, 0, 0);
    }
}
