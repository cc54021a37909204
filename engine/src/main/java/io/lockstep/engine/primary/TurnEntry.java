package io.lockstep.engine.primary;

/**
 * What waits in a lane's queue, and is tried in the group's turn: its place there it keeps until
 * that has come. On the lane's loop, and in the turn.
 */
final class TurnEntry implements RoomQueue.Waiting {
    private final Lane lane;
    private final RoomQueue.Waiting entry;
    private boolean isAsked;
    private boolean isDone;

    TurnEntry(final Lane lane, final RoomQueue.Waiting entry) {
        this.lane = lane;
        this.entry = entry;
    }

    @Override
    public boolean enterAgain() {
        if (lane.turn().isHad()) {
            isDone = isDone || entry.enterAgain();
        } else if (!isDone && !isAsked) {
            isAsked = true;
            lane.turn().execute(this::enterInTurn);
        }
        return isDone;
    }

    private void enterInTurn() {
        isAsked = false;
        isDone = isDone || entry.enterAgain();
        if (isDone) {
            lane.room().look(); // who waits behind it
        }
    }

    /** While its turn is to come it waits for that, and not for room. */
    @Override
    public boolean isPatient() {
        return isAsked || entry.isPatient();
    }
}
