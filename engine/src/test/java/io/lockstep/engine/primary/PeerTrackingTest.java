package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.Tracking;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;

/**
 * What is noted counts from a content that is on stable storage: what the loss of power would undo
 * behind it is no difference that anybody notes.
 */
final class PeerTrackingTest {
    private static final Id PEER = new Id(1, 2);

    private final Tracking tracking = Tracking.inMemory(List.of(1L << 20));
    private final List<Runnable> flushed = new ArrayList<>();
    private final List<Runnable> failed = new ArrayList<>();
    private final List<String> said = new ArrayList<>();
    private final PeerTracking peer =
            new PeerTracking(
                    tracking,
                    () -> 4,
                    (whenFlushed, whenFailed) -> {
                        flushed.add(whenFlushed);
                        failed.add(whenFailed);
                    },
                    said::add);

    private boolean isKnown() {
        return tracking.isKnown(PEER, 3);
    }

    @Test
    void aPeerThatIsEqualIsKnownWhenWhatTheDisksHeldIsOnStableStorage() {
        peer.onNumbered(3);
        peer.onCaughtUp(PEER, 3);
        assertFalse(isKnown());
        flushed.getFirst().run();
        assertTrue(isKnown());
    }

    @Test
    void theFlushIsDoneOnce() {
        peer.onNumbered(3);
        peer.onEqual(PEER);
        peer.onDurable(3);
        assertEquals(0, flushed.size(), "what was durable before it was equal says nothing");
        peer.onDurable(4);
        peer.onDurable(5);
        assertEquals(1, flushed.size());
        flushed.getFirst().run();
        peer.onNumbered(5);
        assertTrue(tracking.isKnown(PEER, 5));
        tracking.forget();
        peer.onCaughtUp(PEER, 5);
        assertTrue(tracking.isKnown(PEER, 5));
        assertEquals(1, flushed.size());
    }

    @Test
    void oneThatFailsIsToldAndTriedAgain() {
        peer.onNumbered(3);
        peer.onCaughtUp(PEER, 3);
        failed.getFirst().run();
        assertEquals(1, said.size());
        assertFalse(isKnown());
        peer.onDurable(3);
        flushed.get(1).run();
        assertTrue(isKnown());
    }

    @Test
    void whoGivesWayMeanwhileKnowsNobody() {
        peer.onNumbered(3);
        peer.onCaughtUp(PEER, 3);
        peer.forget();
        flushed.getFirst().run();
        assertFalse(isKnown());
    }
}
