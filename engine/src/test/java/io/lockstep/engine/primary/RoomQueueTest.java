package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.concurrent.TimeUnit;

/**
 * A guest that writes 4 KiB whenever it may, and a secondary that answers when it is told to, by a
 * clock that stands.
 */
final class RoomQueueTest {
    private static final int LENGTH = 4096;
    private static final int LOG_LENGTH = 32 << 20;
    private static final long MILLI = TimeUnit.MILLISECONDS.toNanos(1);

    @AutoClose private final ForwardLog log = new ForwardLog(LOG_LENGTH);
    private final ClockLoop loop = new ClockLoop();
    private final RoomQueue room =
            new RoomQueue(
                    loop,
                    log,
                    PrimaryOptions.LAG_LEARNED,
                    TimeUnit.SECONDS.toNanos(5),
                    () -> isFull = true);
    private boolean isFull;
    private int wakes;

    @BeforeEach
    void link() {
        room.peerIsThere(true);
        loop.pass(0);
    }

    private boolean write() {
        return log.claim(ForwardLog.Kind.WRITE, 0, 0, LENGTH, 0, loop.nanoTime()) >= 0;
    }

    /** Writes as long as it may, and answers how many; then one more waits. */
    private int fill() {
        int count = 0;
        while (room.mayEnter()) {
            assertTrue(write(), "the log has room");
            count++;
        }
        room.waitForTurn(this::enterAgain);
        loop.pass(0);
        return count;
    }

    /** One that waited writes, and the next one waits. */
    private boolean enterAgain() {
        wakes++;
        if (!write()) {
            return false;
        }
        room.waitForTurn(this::enterAgain);
        return true;
    }

    private void answer(final int frames) {
        log.release(log.released() + frames);
        room.onReleased();
    }

    @Test
    void aGuestFillsWhatItMayAndIsNotWokenForEachAnswer() {
        final int written = fill();
        assertEquals((double) BacklogLimit.FREE_LENGTH / LENGTH, written, written * 0.05);
        for (int i = 0; i < written / 32; i++) {
            answer(1);
            loop.pass(0);
        }
        assertEquals(0, wakes, "woken for less than a sixteenth");
        answer(written / 16);
        loop.pass(0);
        assertTrue(wakes > written / 32, wakes + " of those that wait have gone in");
    }

    @Test
    void aSecondaryThatAnswersNothingForASecondIsNotWaitedFor() {
        fill();
        loop.pass(900 * MILLI);
        assertEquals(0, wakes);
        assertTrue(!isFull, "the log has room");
        loop.pass(200 * MILLI);
        assertTrue(isFull, "who waits goes on until the log is full, and the policy decides");
    }

    /** However old what it has not answered is. */
    @Test
    void aSlowSecondaryIsNotOutrun() {
        fill();
        final int answers = 300;
        for (int i = 0; i < answers; i++) {
            loop.pass(100 * MILLI);
            answer(1);
        }
        assertTrue(wakes <= answers, wakes + " writes have gone in behind " + answers);
    }

    @Test
    void nobodyWaitsForASecondaryThatHasGone() {
        fill();
        room.peerIsThere(false);
        loop.pass(0);
        assertTrue(isFull, "who waits goes on until the log is full");
    }
}
