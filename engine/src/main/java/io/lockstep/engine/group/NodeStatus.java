package io.lockstep.engine.group;

import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Verdict;

import java.util.Optional;

/**
 * What a group's node knows of itself at a moment: an immutable value.
 *
 * @param record what is recorded
 * @param waiting why the guest is not served yet, a sentence; empty where it is
 * @param verdict of a secondary: whether it may take over
 * @param loss what a failover would lose
 */
public record NodeStatus(NodeRecord record, String waiting, Optional<Verdict> verdict, Loss loss) {
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
