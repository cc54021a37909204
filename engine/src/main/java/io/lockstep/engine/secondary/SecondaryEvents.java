package io.lockstep.engine.secondary;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.PeerTimeout;
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

    void silent(final PeerTimeout timeout) {
        tell(
                Event.LINK_DOWN,
                "",
                "the primary has not been heard for "
                        + timeout
                        + " (--peer-timeout): its connections are cut");
    }

    void checkpoint() {
        events.onEpoch(Event.CHECKPOINT, committedEpoch.getAsLong());
    }

    void durable(final long epoch) {
        events.onEpoch(Event.DURABLE, epoch);
    }

    /**
     * The guest is served.
     *
     * @param isHandedOver whether the primary has handed over
     */
    void failedOver(final boolean isHandedOver) {
        tell(
                Event.FAILOVER,
                "",
                (isHandedOver ? "took over from the primary at epoch " : "failed over to epoch ")
                        + committedEpoch.getAsLong()
                        + "; the guest is served");
    }

    void merged() {
        tell(Event.MERGE_COMPLETED, "", "the merge is done; the disks are plain ones again");
    }

    void checkpointAtRisk(final String sentence) {
        tell(Event.CHECKPOINT_AT_RISK, "", sentence);
    }

    /**
     * There is no way back any more while the primary makes this node equal.
     *
     * @param taken how much of the buffers is
     */
    void checkpointGivenUp(final String disk, final String taken) {
        tell(
                Event.CHECKPOINT_GIVEN_UP,
                disk,
                "disk "
                        + disk
                        + ": there is no room for another pre-image ("
                        + taken
                        + "), and so the way back to epoch "
                        + committedEpoch.getAsLong()
                        + " is given up: this node can't take over until the primary has made it"
                        + " equal, which goes on; a larger --buffer-limit, or a directory on a disk"
                        + " with --spill, would have kept it");
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

    void notRecorded(final String sentence) {
        tell(Event.REPLICATION_ERROR, "", sentence);
    }

    static String sentenceOf(final Throwable thrown) {
        final Throwable cause = thrown.getCause();
        return (cause == null ? thrown : cause).getMessage();
    }

    void buffersRemain(final IOException cause) {
        tell(
                Event.MERGE_FAILED,
                "",
                "the buffers are not needed any more, and can't be removed: " + cause.getMessage());
    }

    /**
     * A guest of the secondary got an error.
     *
     * @param fullBuffer how full the active disk is, and what would help, where it is that;
     *     otherwise empty
     */
    void guestError(
            final String disk, final long offset, final int errno, final String fullBuffer) {
        tell(
                Event.GUEST_IO_ERROR,
                disk,
                "disk "
                        + disk
                        + ": a request of the secondary's guest at "
                        + offset
                        + " failed: "
                        + describe(errno)
                        + (fullBuffer.isEmpty() ? "" : "; the active disk is full: " + fullBuffer));
    }

    void broken(final ReplicationError error) {
        tell(Event.REPLICATION_ERROR, error.disk(), error.sentence());
    }

    private static String describe(final int errno) {
        return Errno.meaning(errno) + " (" + Errno.name(errno) + ")";
    }

    // ---- Why the stream has stopped.

    ReplicationError brokenBefore() {
        return new ReplicationError(
                ReplicationError.Kind.PRE_IMAGE,
                "",
                -1,
                "",
                "the secondary's stream had stopped because of an error before this process"
                        + " started"
                        + whatToDo());
    }

    /**
     * What has stopped the stream.
     *
     * @param offset on the disk; -1 of a flush
     * @param fullBuffer how full the hidden disk is, and what would have helped, where it is that;
     *     otherwise empty
     */
    ReplicationError describe(
            final ReplicationError.Kind kind,
            final String disk,
            final long offset,
            final int errno,
            final String fullBuffer) {
        final String what =
                kind == ReplicationError.Kind.SECONDARY_DISK
                        ? (offset < 0
                                        ? "flushing the secondary disk failed: "
                                        : "writing the secondary disk at " + offset + " failed: ")
                                + describe(errno)
                        : "saving the pre-image of the block at "
                                + offset
                                + " failed: "
                                + (fullBuffer.isEmpty()
                                        ? describe(errno)
                                        : "the secondary's hidden disk is full ("
                                                + Errno.name(errno)
                                                + "): "
                                                + fullBuffer);
        return new ReplicationError(
                kind, disk, offset, Errno.name(errno), "disk " + disk + ": " + what + whatToDo());
    }

    private String whatToDo() {
        return "; the secondary takes no more of the stream: fail over to epoch "
                + committedEpoch.getAsLong()
                + " where the primary is gone; otherwise see to this, and start the primary again,"
                + " which makes the disks equal";
    }

    // ---- How replication has ended.

    String endedByFailover() {
        return "the secondary has failed over to epoch " + committedEpoch.getAsLong();
    }

    String endedByHandOver() {
        return "the secondary has taken over at epoch "
                + committedEpoch.getAsLong()
                + ", which its primary handed over";
    }

    static String endedByStop() {
        return "it was stopped on the secondary, whose disks are plain ones as the primary wrote"
                + " them last";
    }

    static String endedBefore() {
        return "it had ended before this process started, and the disks are plain ones";
    }
}
