package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** How far ahead of a stream is announced. */
final class ReadAheadTest {
    private final ReadAhead ahead = new ReadAhead();

    private long write(final long first, final long end) {
        final long wanted = ahead.next(first, end);
        ahead.announced(wanted);
        return wanted - end;
    }

    @Test
    void aSingleWriteHasNothingAnnouncedAhead() {
        assertEquals(0, write(100, 101));
        assertEquals(0, write(5000, 5016));
        assertEquals(0, write(20, 21));
    }

    @Test
    void aStreamIsAnnouncedAheadOnceForMany() {
        int announcements = 0;
        for (long block = 0; block < 16_384; block += 16) {
            announcements += write(block, block + 16) > 0 ? 1 : 0;
        }
        assertTrue(announcements < 50, "announced " + announcements + " times");
    }

    @Test
    void noMoreIsAnnouncedThanTheBound() {
        for (long block = 0; block < 1 << 20; block += 4096) {
            assertTrue(write(block, block + 4096) <= ReadAhead.BLOCKS_MAX);
        }
    }

    @Test
    void inANewEpochTheStreamGoesOn() {
        for (long block = 0; block < 1024; block += 16) {
            write(block, block + 16);
        }
        ahead.onEpoch();
        assertTrue(write(1024, 1040) > 16);
    }
}
