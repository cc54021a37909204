package io.lockstep.engine.node;

import java.util.List;

/**
 * What a node knows of itself, on storage that survives the loss of power: the state record.
 * Immutable. How it lies there is in {@link RecordFormat}, what changes it in {@link Node}.
 *
 * @param node this node's name, for good
 * @param group the name of the pair; {@link Id#NONE} while it is {@link Standing#FRESH}
 * @param peer the node that it was last in a pair with; none where it has met nobody
 * @param standing where it stands
 * @param lineage its generations, the newest first
 * @param committedEpoch the newest epoch that it knew committed when this was written
 * @param leftSession the session that ended with everything at the peer: of a primary its own, of a
 *     secondary its primary's; none while one goes on, and where it just broke off
 * @param isClean whether the process that wrote it was stopped in good order
 * @param isMerging whether a failover's merge is not done: the buffers hold what the disks lack
 * @param isForced whether it took over because somebody insisted
 * @param isPeerOut of a primary: whether its peer can't have taken over, and never will as it is:
 *     the peer is the former primary, or knows that it was left behind
 * @param isJoining whether somebody has said that its disks may be overwritten, once
 * @param concession for whom it has given its own way up, until it follows that one or has taken
 *     over again
 * @param boot the host's boot in which this was written
 * @param former the node that this one was before it was taken out of its pair, while buffers of
 *     that one may still lie where this one's are to be; or none
 * @param disks the group's, in order
 */
public record NodeRecord(
        Id node,
        Id group,
        Id peer,
        Standing standing,
        Lineage lineage,
        long committedEpoch,
        Id leftSession,
        boolean isClean,
        boolean isMerging,
        boolean isForced,
        boolean isPeerOut,
        boolean isJoining,
        Concession concession,
        Id boot,
        Id former,
        List<DiskIdentity> disks) {
    /** Disks of one group at most. */
    public static final int DISKS_MAX = 256;

    /** Copies the list, and checks what belongs together. */
    public NodeRecord {
        disks = List.copyOf(disks);
        if (node.isNone() || committedEpoch < 0 || disks.size() > DISKS_MAX) {
            throw new IllegalArgumentException("no record of a node");
        }
        final boolean isFresh = standing == Standing.FRESH;
        if (isFresh != lineage.isNone() || isFresh != group.isNone()) {
            throw new IllegalArgumentException(
                    "a node that " + standing.sentence() + ", in group " + group + ", " + lineage);
        }
        if (isMerging && !standing.isPrimary()) {
            throw new IllegalArgumentException("a merge, and the node " + standing.sentence());
        }
        if (isJoining && !isFresh) {
            throw new IllegalArgumentException("it may be overwritten, and " + standing.sentence());
        }
        if (isPeerOut && !standing.isPrimary()) {
            throw new IllegalArgumentException("a peer is out, and " + standing.sentence());
        }
        if (!concession.isNone() && !standing.isSecondary() && !isMerging) {
            throw new IllegalArgumentException("its way is given up, and " + standing.sentence());
        }
    }

    /** Of a node that was never in a pair. */
    public static NodeRecord fresh(final Id node, final Id boot, final List<DiskIdentity> disks) {
        return new NodeRecord(
                node,
                Id.NONE,
                Id.NONE,
                Standing.FRESH,
                Lineage.NONE,
                0,
                Id.NONE,
                false,
                false,
                false,
                false,
                false,
                Concession.NONE,
                boot,
                Id.NONE,
                disks);
    }

    /** The next record of the same node: this one, but for what is said of it. */
    Draft draft() {
        return new Draft(this);
    }

    /** A record in the making. Used within one expression. */
    static final class Draft {
        private final Id node;
        private Id group;
        private Id peer;
        private Standing standing;
        private Lineage lineage;
        private long committedEpoch;
        private Id leftSession;
        private boolean isClean;
        private boolean isMerging;
        private boolean isForced;
        private boolean isPeerOut;
        private boolean isJoining;
        private Concession concession;
        private Id boot;
        private Id former;
        private List<DiskIdentity> disks;

        private Draft(final NodeRecord before) {
            node = before.node;
            group = before.group;
            peer = before.peer;
            standing = before.standing;
            lineage = before.lineage;
            committedEpoch = before.committedEpoch;
            leftSession = before.leftSession;
            isClean = before.isClean;
            isMerging = before.isMerging;
            isForced = before.isForced;
            isPeerOut = before.isPeerOut;
            isJoining = before.isJoining;
            concession = before.concession;
            boot = before.boot;
            former = before.former;
            disks = before.disks;
        }

        Draft group(final Id now) {
            group = now;
            return this;
        }

        Draft peer(final Id now) {
            peer = now;
            return this;
        }

        /** A secondary has no peer that is out: that is said of a primary's. */
        Draft standing(final Standing now) {
            standing = now;
            isPeerOut &= now.isPrimary();
            return this;
        }

        Draft lineage(final Lineage now) {
            lineage = now;
            return this;
        }

        Draft committedEpoch(final long now) {
            committedEpoch = now;
            return this;
        }

        Draft leftSession(final Id now) {
            leftSession = now;
            return this;
        }

        Draft clean(final boolean now) {
            isClean = now;
            return this;
        }

        Draft merging(final boolean now) {
            isMerging = now;
            return this;
        }

        Draft forced() {
            isForced = true;
            return this;
        }

        Draft peerOut(final boolean now) {
            isPeerOut = now;
            return this;
        }

        Draft joining(final boolean now) {
            isJoining = now;
            return this;
        }

        Draft concession(final Concession now) {
            concession = now;
            return this;
        }

        Draft boot(final Id now) {
            boot = now;
            return this;
        }

        Draft former(final Id now) {
            former = now;
            return this;
        }

        Draft disks(final List<DiskIdentity> now) {
            disks = now;
            return this;
        }

        NodeRecord record() {
            return new NodeRecord(
                    node,
                    group,
                    peer,
                    standing,
                    lineage,
                    committedEpoch,
                    leftSession,
                    isClean,
                    isMerging,
                    isForced,
                    isPeerOut,
                    isJoining,
                    concession,
                    boot,
                    former,
                    disks);
        }
    }
}
