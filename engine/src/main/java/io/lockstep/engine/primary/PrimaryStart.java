package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.node.NodeRecord;

import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** Whether a node's disks are what a primary may serve. Stateless. */
public final class PrimaryStart {
    private PrimaryStart() {}

    /**
     * Refuses a node whose disks lack what is in the buffers of a secondary. A primary over that
     * secondary, in the same process, needs not ask.
     *
     * @throws IOException with a sentence, where a merge is not done
     */
    public static void requireMerged(final NodeRecord record) throws IOException {
        if (record.isMerging()) {
            throw new IOException(
                    "this node took over, and the merge is not done: its disks lack what the"
                            + " buffers hold; start it with 'lockstep secondary', and let the merge"
                            + " end first");
        }
    }

    /**
     * What is said of a secondary that can't be had.
     *
     * @param nanos for which it was waited for
     */
    public static GroupException late(final String peer, final long nanos) {
        return new GroupException(
                "the secondary at "
                        + peer
                        + " could not be attached to within "
                        + TimeUnit.NANOSECONDS.toSeconds(nanos)
                        + " s; see that it runs, and start again");
    }
}
