package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;

/**
 * The way to the link of what changes the disks of one loop: their log, and who may go into it.
 *
 * @param number among the group's lanes
 * @param lastDisk the last of the group's disks that it has
 * @param loop of those disks
 * @param turn in which is done what is not one disk's alone
 * @param log in which their changes are in order
 * @param room who may go into it
 * @param watch sees how long their guests' changes take
 */
record Lane(
        int number,
        int lastDisk,
        IoLoop loop,
        IoLoop turn,
        ForwardLog log,
        RoomQueue room,
        GuestWatch watch) {
    /** So many a group may have: the link tells them apart by four bits. */
    static final int COUNT_MAX = 16;

    /** Has the end of an operation of one of its disks heard in the turn. */
    Disk.Completion inTurn(final Disk.Completion completion) {
        return (token, errno) -> turn.within(() -> completion.onComplete(token, errno));
    }

    /** Has somebody wait for his place in the log, and tried in the turn when it has come. */
    void waitInTurn(final RoomQueue.Waiting entry) {
        room.waitForTurn(new TurnEntry(this, entry));
    }

    /**
     * Has something looked at in the turn whenever the secondary has answered, until it is done.
     */
    void watchInTurn(final RoomQueue.Waiting entry) {
        room.watch(new TurnEntry(this, entry));
    }
}
