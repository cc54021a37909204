package io.lockstep.engine.primary;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.SplitBrainStatus;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.group.VerificationStatus;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Meeting;

import java.util.function.LongSupplier;

/** What a primary tells its manager: events and errors, in sentences. On the guest's loop. */
final class PrimaryEvents {
    private final GroupEvents events;
    private final String peer;
    private final LostLinkPolicy lostLink;
    private final LongSupplier committedEpoch;

    /** Why the secondary could not be attached to when that was told last. */
    private String lastRefusal = "";

    PrimaryEvents(
            final GroupEvents events,
            final String peer,
            final LostLinkPolicy lostLink,
            final LongSupplier committedEpoch) {
        this.lostLink = lostLink;
        this.events = events;
        this.peer = peer;
        this.committedEpoch = committedEpoch;
    }

    private void tell(final Event event, final String disk, final String sentence) {
        events.onEvent(event, disk, committedEpoch.getAsLong(), sentence);
    }

    void notRecorded(final String sentence) {
        events.onEvent(Event.REPLICATION_ERROR, "", committedEpoch.getAsLong(), sentence);
    }

    void givesWay() {
        notRecorded(
                "this node's disks may be overwritten by its peer, once, as somebody has said: it"
                        + " is a primary no more, and a secondary when it is started again with"
                        + " 'lockstep node' or 'lockstep secondary'");
    }

    static String sentenceOf(final Throwable thrown) {
        final Throwable cause = thrown.getCause();
        return (cause == null ? thrown : cause).getMessage();
    }

    void linkUp() {
        lastRefusal = "";
        tell(Event.LINK_UP, "", "linked to the secondary at " + peer);
    }

    /**
     * The secondary is there, and can't be attached to; told once.
     *
     * @param isError whether it stays so until one of the two nodes gives way
     */
    void askedAgain(final String reason, final boolean isError) {
        if (!reason.equals(lastRefusal)) {
            lastRefusal = reason;
            tell(
                    isError ? Event.REPLICATION_ERROR : Event.LINK_DOWN,
                    "",
                    "the secondary at " + peer + " is not attached to, and asked again: " + reason);
        }
    }

    void linkDown(final String reason) {
        tell(
                Event.LINK_DOWN,
                "",
                "the link to the secondary at " + peer + " is cut, and tried again: " + reason);
    }

    void checkpoint() {
        events.onEpoch(Event.CHECKPOINT, committedEpoch.getAsLong());
    }

    void durable(final long epoch) {
        events.onEpoch(Event.DURABLE, epoch);
    }

    void synchronising(final SynchronisationStatus status) {
        tell(
                Event.SYNCHRONISING,
                "",
                "the secondary at "
                        + peer
                        + (status.left() == 0
                                ? " lacks nothing: a first checkpoint is made"
                                : " is made equal: "
                                        + status.left()
                                        + " bytes are sent, or compared; there are no checkpoints"
                                        + " until that is done"));
    }

    /** The guest waits for the secondary no more. */
    void ahead(final boolean isLinked) {
        tell(
                Event.SYNCHRONISING,
                "",
                "the forward log is full, and the secondary at "
                        + peer
                        + (isLinked ? " is too slow" : " is away")
                        + ": the guest goes on, and what it changes is sent later; until then a"
                        + " failover returns to epoch "
                        + committedEpoch.getAsLong());
    }

    /** The guest overwrites what both nodes see, and the secondary is not asked. */
    void unannounced() {
        tell(
                Event.SYNCHRONISING,
                "",
                "the guest goes on without the secondary at "
                        + peer
                        + ", which sees what is overwritten, and has no checkpoint to go back to"
                        + " any more: until it is linked again a failover there is refused");
    }

    /** Why nothing is sealed or committed. */
    String behind() {
        return "the secondary at "
                + peer
                + " is behind, and the guest goes on without it: nothing was sealed or committed;"
                + " what it lacks is sent when it has caught up with the log";
    }

    /** Both hosts were started as the first primary. */
    static String twoPrimaries() {
        return "the peer is a primary, too, of another pair: one of the two has to be the"
                + " secondary; there, "
                + Meeting.HOW_TO_GIVE_WAY;
    }

    /** How replication has ended; by a manager that counts it for lost, or otherwise. */
    static String endedByStop(final boolean isLost) {
        return isLost
                ? "the manager has given the secondary up on the primary (lost heartbeat), whose"
                        + " disks are plain ones since"
                : "it was stopped on the primary, whose disks are plain ones since";
    }

    /** The secondary has recorded it. */
    void leftBehind() {
        tell(
                Event.LEFT_BEHIND,
                "",
                "the secondary at "
                        + peer
                        + " knows that it is left behind: a failover there would have to be"
                        + " forced");
    }

    /** It is no secondary of this node any more. */
    ReplicationError notLeftBehind(final String reason) {
        final String sentence =
                "the secondary at " + peer + " could not be told that it is left behind: " + reason;
        tell(Event.LINK_DOWN, "", sentence);
        return new ReplicationError(ReplicationError.Kind.FORWARD, "", -1, "", sentence);
    }

    /** Why nobody is told any more of an epoch that was to be sealed or committed. */
    static String epochGivenUp(final long epoch) {
        return "epoch "
                + epoch
                + " is given up: the secondary is synchronised first, since it is not where it was";
    }

    /** The roles were not switched, or it is not known whether they were. */
    void notHandedOver(final String sentence) {
        tell(Event.NOT_HANDED_OVER, "", sentence);
    }

    void handedOver() {
        tell(
                Event.HANDED_OVER,
                "",
                "the secondary at "
                        + peer
                        + " has taken over at epoch "
                        + committedEpoch.getAsLong()
                        + ", which has everything; this node is its secondary");
    }

    /** A peer was found that had taken over meanwhile. */
    void givenWay(final String sentence) {
        tell(
                Event.HANDED_OVER,
                "",
                sentence + "; this node is its secondary from now on, and gets what differs");
    }

    /** The link is lost, and the guest may not go on without it. */
    void guestHeld(final String sentence) {
        tell(Event.GUEST_HELD, "", sentence);
    }

    /** What was held is acknowledged. */
    void guestGoesOn(final boolean isAlone) {
        tell(
                Event.GUEST_GOES_ON,
                "",
                isAlone
                        ? "the guest goes on without the secondary at "
                                + peer
                                + ", which gets what it lacks when it is linked again"
                        : "the guest goes on: it has met the secondary at " + peer + " again");
    }

    /** A peer was found that went another way; told once. */
    void splitBrain(final SplitBrainStatus status) {
        tell(
                Event.SPLIT_BRAIN,
                "",
                "split brain with the node at "
                        + peer
                        + ": this node ("
                        + status.own().node()
                        + ") has "
                        + status.discarded()
                        + ", that one ("
                        + status.peer().node()
                        + ") "
                        + status.peer()
                        + "; both keep that until one of the two gives way: 'lockstep resolve'"
                        + " there");
    }

    void splitBrainResolved(final String sentence) {
        tell(Event.SPLIT_BRAIN_RESOLVED, "", sentence);
    }

    /** This node has given its own way up. */
    void conceded(final SplitBrainStatus discarded, final String why) {
        splitBrainResolved(
                "this node gives way to the one at "
                        + peer
                        + ", "
                        + why
                        + ": discarded is what it has by itself, "
                        + discarded.discarded()
                        + "; until it is equal a forced failover goes back to that");
    }

    /** The process goes on as what the node is by now. */
    void follows() {
        tell(
                Event.HANDED_OVER,
                "",
                "this node is the secondary of the one at "
                        + peer
                        + " from now on, and gets what differs");
    }

    void synchronised() {
        tell(
                Event.SYNCHRONISED,
                "",
                "the secondary at "
                        + peer
                        + " is equal, as of epoch "
                        + committedEpoch.getAsLong());
    }

    void job(final Job.Report report) {
        events.onJob(report);
    }

    void cancelled() {
        tell(
                Event.SYNCHRONISING,
                "",
                "the synchronisation was cancelled, and the guest goes on without the secondary at "
                        + peer
                        + ", which has the checkpoint of before, if any: what it lacks is noted,"
                        + " and sent when the synchronisation is begun again"
                        + " (x-lockstep-synchronise) or the secondary is linked anew");
    }

    /** Why nothing is sealed or committed. */
    String notEqual(final SynchronisationStatus status) {
        if (status.state() == Job.State.CANCELLED) {
            return "the synchronisation with the secondary at "
                    + peer
                    + " was cancelled: nothing was sealed or committed; begin it again"
                    + " (x-lockstep-synchronise)";
        }
        return "the secondary at "
                + peer
                + " is being made equal, and "
                + status.percent()
                + " % is done: nothing was sealed or committed; a checkpoint is made at the end";
    }

    // ---- A verification.

    /** Why nothing is compared. */
    String notComparable(final SynchronisationStatus status) {
        return "nothing was compared: the secondary at "
                + peer
                + " is being made equal, and "
                + status.percent()
                + " % is done; verify when it is";
    }

    /** Why no other verification is begun. */
    String verifying(final VerificationStatus status) {
        return status.isUnderWay()
                ? "a verification is under way already, which has compared "
                        + status.compared()
                        + " of "
                        + status.total()
                        + " bytes: wait for its end, or cancel it (job-cancel)"
                : "what the verification before has found is still being sent; try again in a"
                        + " moment";
    }

    /** Why a range was not compared. */
    static String unreadable(final String disk, final long offset, final int errno) {
        return "disk "
                + disk
                + " can't be read on the primary at "
                + offset
                + ": "
                + Errno.meaning(errno)
                + " ("
                + Errno.name(errno)
                + "); see to the disk";
    }

    void verified(final VerificationStatus status) {
        tell(
                Event.VERIFIED,
                "",
                (status.ending().isEmpty()
                                ? "the disks were compared with those of the secondary at " + peer
                                : "the comparison with the secondary at "
                                        + peer
                                        + " has ended early, since "
                                        + status.ending())
                        + ": "
                        + status.compared()
                        + " bytes, of which "
                        + (status.pieces() == 0
                                ? "none differ"
                                : status.differing()
                                        + " lie in "
                                        + status.pieces()
                                        + " pieces that differed, the first at "
                                        + status.first().getFirst().offset()
                                        + " of disk "
                                        + status.first().getFirst().disk()
                                        + "; they are sent, and equal with the next checkpoint"));
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

    /** The process ends, and the secondary has not answered everything. */
    void lacking(final long length) {
        tell(
                Event.LINK_DOWN,
                "",
                "the process ends, and the secondary at "
                        + peer
                        + " lacks the last "
                        + length
                        + " bytes that the guest has written, since it has not answered for them"
                        + " in time: start it again, which sends them, or fail over there to epoch "
                        + committedEpoch.getAsLong());
    }

    // ---- Why the secondary is given up.

    private String givenUp() {
        return "; the secondary was given up, and the guest "
                + (lostLink.kind() == LostLinkPolicy.Kind.CONTINUE
                        ? "goes on without it"
                        : "waits, as --on-lost-link is " + lostLink.kind().word())
                + ": see to it, then stop this primary and start it again, which sends what"
                + " differs";
    }

    ReplicationError fullLog() {
        return new ReplicationError(
                ReplicationError.Kind.FORWARD,
                "",
                -1,
                "ENOSPC",
                "the forward log is full (--log-size, --on-full-log detach) and the secondary at "
                        + peer
                        + " does not take what is in it fast enough, or is away; the guest goes on"
                        + " without it, and it hears when it is there that it is left behind; to"
                        + " have it made equal, stop this primary and start it again");
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
                        + " failed on the primary, and what it left there can't be read: "
                        + Errno.meaning(errno)
                        + "; see to the disk"
                        + givenUp());
    }

    /** The secondary won't have a disk. */
    ReplicationError unfit(final String disk, final String reason) {
        return new ReplicationError(
                ReplicationError.Kind.FORWARD,
                disk,
                -1,
                Errno.name(Errno.EPERM),
                "disk " + disk + " can't be replicated to " + peer + ": " + reason);
    }

    /** The secondary is no lockstep, and the guest was to be answered for what it has. */
    ReplicationError knowsNoEpochs(final AckLevel level) {
        return new ReplicationError(
                ReplicationError.Kind.FORWARD,
                "",
                -1,
                "",
                "the secondary at "
                        + peer
                        + " is no lockstep, and knows no epochs: the guest can't be answered for"
                        + " what it has (--ack "
                        + level
                        + "); start this primary with --ack local, or replicate to a lockstep");
    }

    /** The secondary refused what was forwarded. */
    ReplicationError refused(
            final String what,
            final String disk,
            final long offset,
            final int errno,
            final String reason) {
        return new ReplicationError(
                disk.isEmpty() ? ReplicationError.Kind.COMMIT : ReplicationError.Kind.FORWARD,
                disk,
                offset,
                Errno.name(errno),
                (disk.isEmpty() ? "" : "disk " + disk + ": ")
                        + "the secondary at "
                        + peer
                        + " refused "
                        + what
                        + ": "
                        + (reason.isEmpty()
                                ? Errno.meaning(errno) + " (" + Errno.name(errno) + ")"
                                : reason)
                        + givenUp());
    }
}
