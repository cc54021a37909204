package io.lockstep.engine.tracking;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.Id;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.List;

/**
 * What is noted outlives a process, not a boot; and is dropped when the peer has made it durable.
 */
final class TrackingTest {
    private static final List<Long> LENGTHS = List.of(1L << 30, 5L << 40);
    private static final Id BOOT = new Id(1, 2);
    private static final Id PEER = new Id(3, 4);

    @TempDir private Path directory;

    @Test
    void aKilledProcessLeavesWhatItNoted() throws Exception {
        try (Tracking tracking = Tracking.open(directory, LENGTHS, BOOT)) {
            assertFalse(tracking.isKnown(PEER));
            assertFalse(tracking.isKnown(Id.NONE));
            tracking.know(PEER, 0, 1);
            tracking.mark(0, 4096, 1);
            tracking.mark(1, (5L << 40) - 1, 1);
        }
        try (Tracking tracking = Tracking.open(directory, LENGTHS, BOOT)) {
            assertTrue(tracking.isKnown(PEER));
            assertFalse(tracking.isKnown(BOOT));
            assertEquals(2 * 4096, tracking.length());
            assertEquals(1, tracking.disk(0).next(0));
            assertEquals((5L << 40) / 4096 - 1, tracking.disk(1).next(0));
        }
    }

    @Test
    void ofAnotherBootOrOfOtherDisksNothingIsKnown() throws Exception {
        open(BOOT, LENGTHS);
        try (Tracking tracking = Tracking.open(directory, LENGTHS, new Id(1, 3))) {
            assertFalse(tracking.isKnown(PEER));
            assertEquals(0, tracking.length());
        }
        open(BOOT, LENGTHS);
        try (Tracking tracking = Tracking.open(directory, LENGTHS.reversed(), BOOT)) {
            assertFalse(tracking.isKnown(PEER));
            assertEquals(0, tracking.length());
        }
        open(BOOT, LENGTHS);
        Tracking.invalidate(directory);
        try (Tracking tracking = Tracking.open(directory, LENGTHS, BOOT)) {
            assertFalse(tracking.isKnown(PEER));
        }
    }

    /** What was noted stays, and all of the range is, unless the peer has the same there. */
    @Test
    void aDiskThatBecomesLongerKeepsItsNotes() throws Exception {
        final long before = LENGTHS.getFirst();
        final long length = before + (3L << 20);
        try (Tracking tracking = Tracking.open(directory, LENGTHS, BOOT)) {
            tracking.know(PEER, 0, 1);
            tracking.mark(0, 4096, 1);
            tracking.mark(1, (5L << 40) - 1, 1);
            tracking.prepare(0, length);
            tracking.lengthen(0, length, false);
            assertTrue(tracking.isKnown(PEER));
            tracking.prepare(1, 6L << 40);
            tracking.lengthen(1, 6L << 40, true);
        }
        try (Tracking tracking = Tracking.open(directory, List.of(length, 6L << 40), BOOT)) {
            assertTrue(tracking.isKnown(PEER));
            assertTrue(tracking.disk(0).has(1));
            for (long block = before / 4096; block < (length + 4095) / 4096; block++) {
                assertTrue(tracking.disk(0).has(block), "block " + block);
            }
            assertEquals((5L << 40) / 4096 - 1, tracking.disk(1).next(0));
            assertEquals(-1, tracking.disk(1).next((5L << 40) / 4096));
        }
    }

    private void open(final Id boot, final List<Long> lengths) throws Exception {
        try (Tracking tracking = Tracking.open(directory, lengths, boot)) {
            tracking.know(PEER, 0, 1);
            tracking.mark(0, 0, 1);
        }
    }

    @Test
    void whatIsDurableThereIsDroppedAnExchangeLater() {
        final Tracking tracking = Tracking.inMemory(LENGTHS);
        tracking.know(PEER, 4, 5);
        tracking.mark(0, 0, 1); // in epoch 5
        tracking.onDurable(4, 6);
        assertEquals(4096, tracking.length());
        tracking.onDurable(5, 6); // the older layer was empty
        tracking.mark(0, 1 << 20, 1); // in epoch 6
        assertEquals(2 * 4096, tracking.length());
        tracking.onDurable(5, 7);
        assertEquals(2 * 4096, tracking.length());
        tracking.onDurable(6, 7);
        assertEquals(4096, tracking.length());
        assertEquals((1 << 20) / 4096, tracking.disk(0).next(0));
    }

    @Test
    void whoHasLessThanItOnceHadIsNotKnown() {
        final Tracking tracking = Tracking.inMemory(LENGTHS);
        tracking.seal(20);
        tracking.know(PEER, 4, 5);
        assertFalse(tracking.isKnown(PEER, 21), "this is an old copy");
        assertTrue(tracking.isKnown(PEER, 4));
        assertFalse(tracking.isKnown(PEER, 3));
        tracking.onDurable(7, 8);
        assertTrue(tracking.isKnown(PEER, 5), "what is noted is of epoch 5 on");
        assertFalse(tracking.isKnown(PEER, 4));
        tracking.onDurable(7, 8);
        assertTrue(tracking.isKnown(PEER, 5));
        tracking.onDurable(8, 9);
        assertFalse(tracking.isKnown(PEER, 7));
    }

    @Test
    void beforeAPeerIsKnownNothingIsDropped() {
        final Tracking tracking = Tracking.inMemory(LENGTHS);
        tracking.mark(0, 0, 1);
        tracking.onDurable(100, 101);
        tracking.onDurable(102, 103);
        assertEquals(4096, tracking.length());
    }
}
