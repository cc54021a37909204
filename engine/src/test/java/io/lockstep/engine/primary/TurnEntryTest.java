package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.GroupTurn;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.concurrent.TimeUnit;

/** What waits in the queue of a lane that has a loop of its own, and is tried in the turn. */
final class TurnEntryTest {
    @AutoClose private final ForwardLog log = new ForwardLog(64 << 10);
    private final ClockLoop loop = new ClockLoop();
    private final ClockLoop lead = new ClockLoop();
    private final GroupTurn turn = new GroupTurn(lead);
    private int fullCount;
    private final RoomQueue room =
            new RoomQueue(loop, log, 0, TimeUnit.SECONDS.toNanos(5), () -> fullCount++);
    private final Lane lane =
            new Lane(0, 0, loop, turn, log, room, new GuestWatch(loop, SyncRate.DEFAULT));
    private boolean hasRoom;
    private int tries;

    @BeforeEach
    void join() {
        turn.join(loop);
    }

    private void waitInTurn() {
        lane.waitInTurn(
                () -> {
                    assertTrue(turn.isHad());
                    tries++;
                    return hasRoom;
                });
        loop.pass(0);
    }

    /** With {@code --full-log detach} that would end replication. */
    @Test
    void whoWaitsForTheTurnIsNotTakenForOneWithoutRoom() {
        hasRoom = true;
        waitInTurn();
        assertEquals(0, tries, "the turn is to come");
        assertEquals(0, fullCount);
        lead.pass(0);
        loop.pass(0);
        assertEquals(1, tries);
        assertFalse(room.isAnyWaiting());
        assertEquals(0, fullCount);
    }

    @Test
    void whoHadItsTurnAndFoundNoRoomKeepsItsPlace() {
        waitInTurn();
        lead.pass(0);
        room.look();
        loop.pass(0);
        assertEquals(1, tries);
        assertTrue(room.isAnyWaiting());
        hasRoom = true;
        lead.pass(0);
        room.look();
        loop.pass(0);
        assertFalse(room.isAnyWaiting());
    }
}
