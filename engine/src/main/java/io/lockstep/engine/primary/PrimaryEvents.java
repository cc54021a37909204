package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.memory.Errno;

import java.util.function.LongSupplier;

/** What a primary tells its manager: events and errors, in sentences. On the guest's loop. */
final class PrimaryEvents {
    private final GroupEvents events;
    private final String peer;
    private final LongSupplier committedEpoch;

    PrimaryEvents(final GroupEvents events, final String peer, final LongSupplier committedEpoch) {
        this.events = events;
        this.peer = peer;
        this.committedEpoch = committedEpoch;
    }

    private void tell(final Event event, final String disk, final String sentence) {
        events.onEvent(event, disk, committedEpoch.getAsLong(), sentence);
    }

    void linkUp() {
        tell(Event.LINK_UP, "", "linked to the secondary at " + peer);
    }

    void linkDown(final String reason) {
        tell(
                Event.LINK_DOWN,
                "",
                "the link to the secondary at " + peer + " is cut, and tried again: " + reason);
    }

    void checkpoint() {
        tell(Event.CHECKPOINT, "", "epoch " + committedEpoch.getAsLong() + " is committed");
    }

    void givenUp(final Event event, final ReplicationError cause) {
        tell(event, cause.disk(), cause.sentence());
    }

    void guestError(final String disk, final long offset, final int errno) {
        tell(
                Event.GUEST_IO_ERROR,
                disk,
                "disk "
                        + disk
                        + ": a request of the guest at "
                        + offset
                        + " failed: "
                        + Errno.meaning(errno)
                        + " ("
                        + Errno.name(errno)
                        + ")");
    }

    // ---- Why the secondary is given up.

    ReplicationError fullLog() {
        return new ReplicationError(
                ReplicationError.Kind.FORWARD,
                "",
                -1,
                "ENOSPC",
                "the forward log is full: the secondary was given up, and the guest"
                        + " goes on; set replication up anew");
    }

    /** A change has failed, and what it left can't be read. */
    ReplicationError unknownContent(final String disk, final long offset, final int errno) {
        return new ReplicationError(
                ReplicationError.Kind.FORWARD,
                disk,
                offset,
                Errno.name(errno),
                "disk "
                        + disk
                        + ": a request of the guest at "
                        + offset
                        + " failed, and what it left there can't be read: "
                        + Errno.meaning(errno)
                        + "; the secondary was given up, and the guest goes on; see to the"
                        + " disk, then set replication up anew");
    }

    ReplicationError refused(
            final String disk, final long offset, final int errno, final String reason) {
        return new ReplicationError(
                ReplicationError.Kind.FORWARD,
                disk,
                offset,
                Errno.name(errno),
                "the secondary at " + peer + " refused: " + reason);
    }
}
