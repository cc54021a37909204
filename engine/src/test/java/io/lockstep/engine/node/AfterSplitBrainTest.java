package io.lockstep.engine.node;

import static io.lockstep.engine.node.AfterSplitBrain.DISCARD_OLDER;
import static io.lockstep.engine.node.AfterSplitBrain.DISCARD_SMALLER;
import static io.lockstep.engine.node.AfterSplitBrain.DISCONNECT;
import static io.lockstep.engine.node.Standing.ALONE;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.lockstep.engine.node.Nodes.Said;

import org.junit.jupiter.api.Test;

import java.util.List;

/** Which of two gives way by itself: never both, and nobody where anything is not known. */
final class AfterSplitBrainTest {
    /** Generations 2 and 3 began at their hours, from 1. */
    private static Said older() {
        return new Said(1, ALONE, 2, 1);
    }

    private static Said younger() {
        return new Said(2, ALONE, 3, 1);
    }

    private static void assertGivesWay(final boolean isExpected, final Said own, final Said peer) {
        assertEquals(isExpected, AfterSplitBrain.givesWay(own.heard(), peer.heard()));
    }

    /** Neither of the two does. */
    private static void assertNobody(final Said one, final Said other) {
        assertGivesWay(false, one, other);
        assertGivesWay(false, other, one);
    }

    @Test
    void theOlderWayIsDiscardedWhateverItHas() {
        final Said older = older().says(DISCARD_OLDER, 90, true);
        final Said younger = younger().says(DISCARD_OLDER, 5, true);
        assertGivesWay(true, older, younger);
        assertGivesWay(false, younger, older);
    }

    /** What counts is where the ways parted, and not what came since. */
    @Test
    void theOlderWayIsThatWhichPartedEarlier() {
        final Said older = new Said(1, ALONE, 9, 2, 1).says(DISCARD_OLDER, -1, false);
        final Said younger = younger().says(DISCARD_OLDER, -1, false);
        assertGivesWay(true, older, younger);
        assertGivesWay(false, younger, older);
    }

    @Test
    void theSmallerWayIsDiscardedWhenBothHaveCounted() {
        final Said smaller = younger().says(DISCARD_SMALLER, 5, true);
        final Said larger = older().says(DISCARD_SMALLER, 6, true);
        assertGivesWay(true, smaller, larger);
        assertGivesWay(false, larger, smaller);
        assertNobody(smaller, older().says(DISCARD_SMALLER, -1, true));
        assertNobody(smaller, older().says(DISCARD_SMALLER, 5, true));
    }

    @Test
    void aPolicyCountsWhereBothHaveIt() {
        assertNobody(older().says(DISCARD_OLDER, 1, true), younger().says(DISCONNECT, 2, true));
        assertNobody(older().says(DISCONNECT, 1, true), younger().says(DISCARD_OLDER, 2, true));
        assertNobody(
                older().says(DISCARD_OLDER, 1, true), younger().says(DISCARD_SMALLER, 2, true));
        assertNobody(older().says(DISCONNECT, 1, true), younger().says(DISCONNECT, 2, true));
    }

    @Test
    void nobodyIsDiscardedWhoAloneHasAGuest() {
        assertNobody(older().says(DISCARD_OLDER, 1, true), younger().says(DISCARD_OLDER, 2, false));
        assertGivesWay(
                true,
                older().says(DISCARD_OLDER, 1, false),
                younger().says(DISCARD_OLDER, 2, false));
    }

    @Test
    void nobodyIsWhereOneIsTornOrHasNotPartedOrBothAreEven() {
        for (final AfterSplitBrain policy : List.of(DISCARD_OLDER, DISCARD_SMALLER)) {
            assertNobody(
                    new Said(1, ALONE, -2, 1).says(policy, 1, true),
                    younger().says(policy, 2, true));
            assertNobody(
                    older().says(policy, 1, true),
                    new Said(2, ALONE, 4, -3, 1).says(policy, 2, true));
        }
        assertNobody(
                new Said(1, ALONE, 1).says(DISCARD_OLDER, 1, true),
                younger().says(DISCARD_OLDER, 2, true));
        assertNobody(
                older().says(DISCARD_OLDER, 1, true),
                new Said(2, ALONE, 2, 1).says(DISCARD_OLDER, 2, true));
        assertNobody(
                new Said(1, ALONE, 2).says(DISCARD_OLDER, 1, true),
                new Said(2, ALONE, 3).says(DISCARD_OLDER, 2, true));
    }

    /** What is counted later does not change what both have told. */
    @Test
    void whatWasChangedIsCountedOnceForEachFinding() {
        final OwnStance stance = new OwnStance();
        stance.set(DISCARD_SMALLER, () -> false);
        final Summary peer = younger().heard();
        assertEquals(-1, stance.now().changed());
        assertEquals(true, stance.count(peer, () -> 7));
        assertFalse(stance.count(peer, () -> 8));
        assertEquals(new Stance(DISCARD_SMALLER, 7, false), stance.now());
        stance.count(new Said(2, ALONE, 4, 3, 1).heard(), () -> 9);
        assertEquals(9, stance.now().changed());
        stance.forget();
        assertEquals(-1, stance.now().changed());
        assertEquals(true, stance.count(peer, () -> 10));
    }
}
