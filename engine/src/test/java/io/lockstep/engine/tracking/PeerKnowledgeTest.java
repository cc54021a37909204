package io.lockstep.engine.tracking;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.Id;

import org.junit.jupiter.api.Test;

import java.util.List;

/** Two nodes' notes are all that differs where they reach back to one epoch that both had. */
final class PeerKnowledgeTest {
    private static final Id PEER = new Id(1, 2);
    private static final Id OTHER = new Id(1, 3);

    private final Tracking tracking = Tracking.inMemory(List.of(1L << 20));

    private PeerKnowledge known() {
        return tracking.knowledge();
    }

    /** One that was the primary, whose peer had epoch 5 durably, and that has sealed 8. */
    private void wasPrimary() {
        tracking.know(PEER, 5, 6);
        tracking.seal(8);
    }

    @Test
    void whoKnowsNobodySaysSo() {
        assertEquals(-1, known().trackedFrom(PEER));
        assertEquals(-1, known().trackedEpoch(PEER));
        assertFalse(known().isKnownWithItsWay(PEER, 3, 9));
        assertFalse(known().isKnownWithItsWay(Id.NONE, 3, 9));
    }

    @Test
    void whatANodeSaysOfItsOwnNotes() {
        wasPrimary();
        assertEquals(5, known().trackedFrom(PEER));
        assertEquals(8, known().trackedEpoch(PEER));
        assertEquals(-1, known().trackedFrom(OTHER));

        tracking.knowWithoutTail(PEER, 7);
        assertEquals(7, known().trackedFrom(PEER));
        assertEquals(-1, known().trackedEpoch(PEER), "it was no primary of the peer");
    }

    /** This node took over at epoch 7, and the former primary gives way. */
    @Test
    void aFormerPrimarysNotesReachBackToTheTakeover() {
        tracking.knowWithoutTail(PEER, 7);
        assertTrue(known().isKnownWithItsWay(PEER, 5, 8));
        assertTrue(known().isKnownWithItsWay(PEER, 7, 7));
        assertFalse(known().isKnownWithItsWay(PEER, 8, 9), "this is an old copy");
        assertFalse(known().isKnownWithItsWay(PEER, 5, 6), "that one is");
        assertFalse(known().isKnownWithItsWay(PEER, -1, 8));
        assertFalse(known().isKnownWithItsWay(OTHER, 5, 8));
        assertTrue(known().isKnownWithTail(PEER, 5, 8));
        assertFalse(known().isKnownWithTail(PEER, 8, 9));

        tracking.onTailNoted(); // and it comes again
        assertTrue(known().isKnownWithItsWay(PEER, 5, 8));
        assertFalse(known().isKnownWithTail(PEER, 5, 8), "its notes are here already");
    }

    /** The peer took over from this node, and gives way. */
    @Test
    void whoTookOverHasNotedSinceAnEpochThatThisOneHasSealed() {
        wasPrimary();
        assertTrue(known().isKnownWithItsWay(PEER, 7, -1));
        assertTrue(known().isKnownWithItsWay(PEER, 5, -1));
        assertTrue(known().isKnownWithItsWay(PEER, 8, -1));
        assertFalse(known().isKnownWithItsWay(PEER, 4, -1), "it had 5, once: an old copy");
        assertFalse(known().isKnownWithItsWay(PEER, 9, -1), "this one is");
        assertFalse(known().isKnownWithItsWay(PEER, -1, -1));
    }

    @Test
    void twoThatTookOverFromEachOtherKnowNothing() {
        tracking.knowWithoutTail(PEER, 7);
        assertFalse(known().isKnownWithItsWay(PEER, 7, -1));
    }

    @Test
    void whoHandedOverAtThatEpochHasWrittenNothing() {
        tracking.knowWithoutTail(PEER, 7);
        assertTrue(known().isKnownWithoutTail(PEER, 7));
        assertFalse(known().isKnownWithoutTail(PEER, 6));
        assertFalse(known().isKnownWithoutTail(OTHER, 7));
    }
}
