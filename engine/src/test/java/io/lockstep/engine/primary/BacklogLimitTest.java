package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.concurrent.TimeUnit;

/**
 * A guest, a log and a link that takes so many bytes a second, in steps of 10 µs of a clock of its
 * own.
 */
final class BacklogLimitTest {
    private static final long STEP_NANOS = TimeUnit.MICROSECONDS.toNanos(10);
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);
    private static final long MIB = 1 << 20;
    private static final long LOG = 128 * MIB;
    private static final long WRITE = 64 << 10;

    private final BacklogLimit limit = new BacklogLimit(LOG);
    private long now = 1;
    private double claimed;
    private double released;
    private double written;
    private double wanted;

    /** The guest's and the link's rates in bytes a second; answers the largest backlog. */
    private double run(final double seconds, final double guestRate, final double linkRate) {
        final long end = now + (long) (seconds * SECOND);
        double largest = 0;
        while (now < end) {
            now += STEP_NANOS;
            released = Math.min(claimed, released + linkRate * STEP_NANOS / SECOND);
            wanted = Math.min(wanted + guestRate * STEP_NANOS / SECOND, 32 * WRITE);
            while (wanted >= WRITE && mayEnter()) {
                wanted -= WRITE;
                claimed += WRITE;
                written += WRITE;
            }
            largest = Math.max(largest, claimed - released);
        }
        return largest;
    }

    private boolean mayEnter() {
        final long used = (long) (claimed - released);
        return used + WRITE <= LOG
                && (limit.isFree(used) || limit.mayEnter(now, used, used / WRITE, (long) released));
    }

    private double written() {
        final double all = written;
        written = 0;
        return all;
    }

    private static void assertNear(final double wanted, final double is, final double part) {
        assertTrue(Math.abs(is - wanted) <= wanted * part, is + ", not about " + wanted);
    }

    @Test
    void aGuestThatIsFasterThanTheLinkLeavesWhatThatTakesInTheTarget() {
        for (final double link : new double[] {300 * MIB, 2000 * MIB, 900 * MIB}) {
            run(1, 8000 * MIB, link);
            written();
            final double backlog = run(1, 8000 * MIB, link);
            final double target = link * BacklogLimit.TARGET_NANOS / SECOND;
            assertNear(Math.max(BacklogLimit.FREE_LENGTH, target), backlog, 0.15);
            assertNear(link, written(), 0.02);
        }
    }

    @Test
    void aLinkThatKeepsUpLimitsNothing() {
        final double backlog = run(2, 500 * MIB, 501 * MIB);
        assertNear(2 * 500 * MIB, written(), 0.001);
        assertTrue(backlog <= BacklogLimit.FREE_LENGTH, "" + backlog);
    }

    /** As its disk is flushed: the guest goes on, at half of what the link took before. */
    @Test
    void aSecondaryThatPausesDoesNotStopTheGuest() {
        run(1, 1000 * MIB, 400 * MIB);
        written();
        run(0.1, 1000 * MIB, 0);
        assertTrue(written() > 10 * MIB, "the guest stood still");
        run(2, 1000 * MIB, 400 * MIB);
        final double backlog = run(0.5, 1000 * MIB, 400 * MIB);
        assertNear(400.0 * MIB * BacklogLimit.TARGET_NANOS / SECOND, backlog, 0.15);
    }

    /** A guest that does little is not held up by what the link might do. */
    @Test
    void aSlowGuestDoesNotNoticeAPause() {
        run(1, 4 * MIB, 1000 * MIB);
        written();
        run(0.25, 4 * MIB, 0);
        assertNear(MIB, written(), 0.1);
    }

    /** As on a slow disk: what a checkpoint waits for is little, where writes are short. */
    @Test
    void shortWritesOfASlowLinkLeaveLittle() {
        run(1, 1000 * MIB, 40 * MIB);
        assertNear(BacklogLimit.FREE_LENGTH, run(1, 1000 * MIB, 40 * MIB), 0.1);
    }

    @Test
    void sixteenFramesAreNoBacklog() {
        final long length = 4 << 20;
        assertTrue(limit.mayEnter(1, length, 4, 0), "four writes of a MiB");
        assertFalse(limit.mayEnter(2, length, 1024, 0), "a thousand of 4 KiB");
        assertFalse(limit.mayEnter(3, length + 1, 4, 0), "more than any number of frames has");
    }

    /** So that it is not woken for each of the secondary's answers. */
    @Test
    void whoIsHeldBackGoesOnWhenASixteenthHasLeft() {
        final long length = BacklogLimit.FREE_LENGTH;
        assertFalse(limit.mayEnter(1, length + 1, 1024, 0), "above the limit");
        assertFalse(limit.mayEnter(2, length, 1024, 1), "at the limit, but held back");
        final long excess = limit.excess(length + 1);
        assertEquals(length / 16 + 1, excess);
        assertTrue(limit.mayEnter(3, length + 1 - excess, 1024, excess), "what was told");
        assertTrue(limit.mayEnter(4, length, 1024, excess), "at the limit, and free again");
    }

    @Test
    void aSmallLogHasAnEighthFree() {
        assertEquals(8 << 10, new BacklogLimit(64 << 10).limit());
    }
}
