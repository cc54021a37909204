package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What holds when a checkpoint is told, with the link on a thread of its own. */
final class PrimaryCheckpointsTest extends HealedPair {
    private static final int COUNT = 2000;

    /** A switch of roles begins where nothing is under way, and asks for that at this moment. */
    @Test
    void whoHearsOfACheckpointFindsAllOfItAnswered() throws Exception {
        startEqualPair();
        for (int i = 0; i < COUNT; i++) {
            final boolean isDrained =
                    onLoop(primaryLife, () -> primary.checkpoint().thenApply(epoch -> isDrained()));
            assertTrue(isDrained, "something is under way behind checkpoint " + i);
        }
    }

    private boolean isDrained() {
        final boolean[] is = new boolean[1];
        primary.drain(() -> is[0] = true);
        return is[0];
    }
}
