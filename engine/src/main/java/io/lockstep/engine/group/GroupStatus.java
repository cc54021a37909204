package io.lockstep.engine.group;

import java.util.List;

/**
 * What there is to know of a group at a moment: an immutable value. Lengths are in bytes, times in
 * nanoseconds.
 *
 * @param role which side
 * @param state where it stands
 * @param peer of a primary: where the secondary is; of a secondary: which primary is attached;
 *     empty for none
 * @param linked whether the peer is connected
 * @param unlinkedNanos how long it has not been; 0 where it is, and where nobody counts
 * @param unlinkedReason why it is not, and what to do where somebody has to; empty where it is, and
 *     where nothing is known of that
 * @param openEpoch the epoch that writes belong to now
 * @param sealedEpoch the last one that is sealed on every disk
 * @param committedEpoch the last committed one; 0 for the state in which replication started
 * @param durableEpoch the last committed one that is on the secondary's stable storage, as far as
 *     is known
 * @param acknowledging when the guest is answered
 * @param lagBytes forwarded and not yet answered
 * @param lagNanos age of the oldest of them
 * @param bufferUsed of a primary: bytes in the forward log; of a secondary: in the arenas
 * @param bufferLimit how many there may be
 * @param mergeDone of a failover's merge: bytes that are settled
 * @param mergeTotal of a failover's merge: bytes that were to be
 * @param disks a line each
 */
public record GroupStatus(
        ReplicationGroup.Role role,
        State state,
        String peer,
        boolean linked,
        long unlinkedNanos,
        String unlinkedReason,
        long openEpoch,
        long sealedEpoch,
        long committedEpoch,
        long durableEpoch,
        Acknowledging acknowledging,
        long lagBytes,
        long lagNanos,
        long bufferUsed,
        long bufferLimit,
        long mergeDone,
        long mergeTotal,
        List<DiskStatus> disks) {
    /** Where a group stands. */
    public enum State {
        /** Not started. */
        IDLE,
        /** Replicating, as far as is known. */
        RUNNING,
        /** Replication has met an error: see get-error. */
        BROKEN,
        /** Failed over; the merge goes on. */
        MERGING,
        /** Stopped: the disks are plain ones again. */
        ALONE
    }

    /**
     * When the guest is answered.
     *
     * @param isInForce whether the secondary gets what is written and is equal; while it is not,
     *     this host answers by itself, or not at all
     */
    public record Acknowledging(AckLevel level, boolean isInForce) {
        /** This host alone. */
        public static final Acknowledging LOCAL = new Acknowledging(AckLevel.LOCAL, true);
    }

    /**
     * One disk.
     *
     * @param hiddenUsed of a secondary: bytes of pre-images of uncommitted epochs
     * @param activeUsed of a secondary: bytes of the guest's own writes since the checkpoint
     * @param dirty of a primary that has detached: bytes that the secondary does not have
     */
    public record DiskStatus(
            String name,
            long length,
            long writes,
            long writtenBytes,
            long hiddenUsed,
            long activeUsed,
            long dirty) {
        /** Of one that nobody replicates. */
        public static DiskStatus idle(final String name, final long length) {
            return new DiskStatus(name, length, 0, 0, 0, 0, 0);
        }
    }

    /** Copies the list. */
    public GroupStatus {
        disks = List.copyOf(disks);
    }

    /** Of a group that was not started. */
    public static GroupStatus idle(final ReplicationGroup.Role role, final List<DiskStatus> disks) {
        return new GroupStatus(
                role,
                State.IDLE,
                "",
                false,
                0,
                "",
                0,
                0,
                0,
                0,
                Acknowledging.LOCAL,
                0,
                0,
                0,
                0,
                0,
                0,
                disks);
    }

    /** Of the same group when it has ended and nothing of it is left. */
    public GroupStatus ended(final List<DiskStatus> idleDisks) {
        return new GroupStatus(
                role,
                State.ALONE,
                "",
                false,
                0,
                "",
                openEpoch,
                sealedEpoch,
                committedEpoch,
                durableEpoch,
                Acknowledging.LOCAL,
                0,
                0,
                0,
                0,
                0,
                0,
                idleDisks);
    }

    /**
     * Of a primary over a secondary that took over: with what the merge of that still has to do.
     */
    public GroupStatus withMergeOf(final GroupStatus secondary) {
        return new GroupStatus(
                role,
                state,
                peer,
                linked,
                unlinkedNanos,
                unlinkedReason,
                openEpoch,
                sealedEpoch,
                committedEpoch,
                durableEpoch,
                acknowledging,
                lagBytes,
                lagNanos,
                bufferUsed,
                bufferLimit,
                secondary.mergeDone,
                secondary.mergeTotal,
                disks);
    }
}
