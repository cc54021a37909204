package io.lockstep.engine.primary;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.NodeRecord;

import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * The seam to whoever fences a primary's peer: sees to it that it does not serve the guest, and
 * can't take over. Called on the guest's loop, never twice at a time.
 */
public interface Fencing {
    /**
     * Has the peer fenced; must not block.
     *
     * @return what came of it, from any thread and in a bounded time. Who cancels it wants to know
     *     no more, since the process ends
     */
    CompletableFuture<Answer> fence(Loss loss);

    /** What came of it. */
    enum Outcome {
        /** The peer does not serve the guest, and can't take over. */
        FENCED,
        /** It is not, and may be if it is tried again. */
        NOT_FENCED,
        /** It has taken over: the guest is there. */
        TAKEN_OVER
    }

    /**
     * The same with what there is to say of it.
     *
     * @param sentence for people, without a full stop
     */
    record Answer(Outcome outcome, String sentence) {}

    /**
     * What there is to know of a link that is lost.
     *
     * @param record of this node, and its peer
     * @param peer where that is
     * @param disks their names
     * @param committedEpoch the newest one that this node knows committed
     * @param durableEpoch the newest one that it knows on the peer's stable storage; 0 where it
     *     knows of none
     * @param reason why the link is lost, a sentence
     */
    record Loss(
            NodeRecord record,
            Endpoint peer,
            List<String> disks,
            long committedEpoch,
            long durableEpoch,
            String reason) {}
}
