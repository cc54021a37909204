package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.util.concurrent.TimeUnit;

/** What is sent again behind a cut, and what is kept until the secondary has it for good. */
final class LaneCursorTest {
    private static final int LENGTH = 4096;

    @AutoClose private final ForwardLog log = new ForwardLog(64 << 10);
    private final ClockLoop loop = new ClockLoop();
    private final RoomQueue room =
            new RoomQueue(loop, log, 0, TimeUnit.SECONDS.toNanos(5), () -> {});
    private final LaneCursor cursor =
            new LaneCursor(
                    new Lanes(loop, log, room, new GuestWatch(loop, SyncRate.DEFAULT)).of(0));

    private long add(final ForwardLog.Kind kind, final long offset, final int length) {
        final long frame = log.claim(kind, 0, offset, length, 0, loop.nanoTime());
        log.decide(frame, true);
        return frame;
    }

    private void sendAll() {
        while (cursor.next < log.decided()) {
            cursor.onSent();
        }
    }

    /** Goes over what is answered; answers where it comes to. */
    private long release() {
        while (cursor.mayRelease()) {
            cursor.release();
        }
        return cursor.released;
    }

    @Test
    void whatLiesBeforeASealThatWasTakenIsNotSentAgainAndIsKeptUntilThatIsAnswered() {
        final long write = add(ForwardLog.Kind.WRITE, 0, LENGTH);
        final long seal = add(ForwardLog.Kind.SEAL, 1, 0);
        final long behind = add(ForwardLog.Kind.WRITE, 0, LENGTH);
        sendAll();
        cursor.onUp(disk -> 1);
        assertTrue(cursor.isTakenThere(write));
        assertFalse(cursor.isTakenThere(behind));
        sendAll();
        cursor.answer(behind);
        assertEquals(write, release(), "it is not known to be done there");
        cursor.answer(seal);
        assertEquals(behind + 1, release());
    }

    @Test
    void whatASecondaryHadTakenThatWasKilledIsSentAgain() {
        final long write = add(ForwardLog.Kind.WRITE, 0, LENGTH);
        add(ForwardLog.Kind.SEAL, 1, 0);
        sendAll();
        cursor.onUp(disk -> 1);
        sendAll();
        release();
        cursor.onUp(disk -> 0);
        assertEquals(write, cursor.next);
        assertFalse(cursor.isTakenThere(write));
    }
}
