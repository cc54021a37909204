package io.lockstep.engine.secondary;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.memory.Errno;

import java.io.IOException;
import java.util.function.LongSupplier;

/** What a secondary tells its manager: events and errors, in sentences. On the group's loop. */
final class SecondaryEvents {
    private final GroupEvents events;
    private final LongSupplier committedEpoch;

    SecondaryEvents(final GroupEvents events, final LongSupplier committedEpoch) {
        this.events = events;
        this.committedEpoch = committedEpoch;
    }

    private void tell(final Event event, final String disk, final String sentence) {
        events.onEvent(event, disk, committedEpoch.getAsLong(), sentence);
    }

    void linked(final boolean isLinked) {
        tell(
                isLinked ? Event.LINK_UP : Event.LINK_DOWN,
                "",
                isLinked ? "the primary is attached" : "the primary's connection has ended");
    }

    void checkpoint() {
        tell(Event.CHECKPOINT, "", "epoch " + committedEpoch.getAsLong() + " is committed");
    }

    void failedOver() {
        tell(
                Event.FAILOVER,
                "",
                "failed over to epoch " + committedEpoch.getAsLong() + "; the guest is served");
    }

    void merged() {
        tell(Event.MERGE_COMPLETED, "", "the merge is done; the disks are plain ones again");
    }

    void mergeFailed(final String disk, final long offset, final int errno) {
        tell(
                Event.MERGE_FAILED,
                disk,
                "disk "
                        + disk
                        + ": the merge failed at "
                        + offset
                        + ": "
                        + describe(errno)
                        + "; it is tried again, and the guest goes on out of the buffers");
    }

    void buffersRemain(final IOException cause) {
        tell(
                Event.MERGE_FAILED,
                "",
                "the buffers are not needed any more, and can't be removed: " + cause.getMessage());
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
                        + describe(errno));
    }

    void broken(final ReplicationError error) {
        tell(Event.REPLICATION_ERROR, error.disk(), error.sentence());
    }

    private static String describe(final int errno) {
        return Errno.meaning(errno) + " (" + Errno.name(errno) + ")";
    }

    // ---- Why the stream has stopped.

    static ReplicationError brokenBefore() {
        return new ReplicationError(
                ReplicationError.Kind.PRE_IMAGE,
                "",
                -1,
                "",
                "replication had met an error before this process started");
    }

    ReplicationError describe(
            final ReplicationError.Kind kind,
            final String disk,
            final long offset,
            final int errno) {
        final boolean isPreImage = kind == ReplicationError.Kind.PRE_IMAGE;
        final String sentence =
                "disk "
                        + disk
                        + ": "
                        + (isPreImage
                                ? "saving the pre-image of a block"
                                : "writing the secondary disk")
                        + " at "
                        + offset
                        + " failed: "
                        + describe(errno)
                        + "; the stream has stopped, and failover returns to epoch "
                        + committedEpoch.getAsLong()
                        + (isPreImage && errno == Errno.ENOSPC
                                ? "; give the buffers more room, or checkpoint more often"
                                : "");
        return new ReplicationError(kind, disk, offset, Errno.name(errno), sentence);
    }
}
