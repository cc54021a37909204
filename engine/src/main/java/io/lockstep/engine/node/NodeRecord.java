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
 * @param boot the host's boot in which this was written
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
        Id boot,
        List<DiskIdentity> disks) {
    /** Disks of one group at most. */
    public static final int DISKS_MAX = 256;

    /** Copies the list, and checks what belongs together. */
    public NodeRecord {
        disks = List.copyOf(disks);
        if (node.isNone() || committedEpoch < 0 || disks.size() > DISKS_MAX) {
            throw new IllegalArgumentException("no record of a node");
        }
        if (standing == Standing.FRESH ? !lineage.isNone() : lineage.isNone() || group.isNone()) {
            throw new IllegalArgumentException(
                    "a node that " + standing.sentence() + ", in " + lineage);
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
                boot,
                disks);
    }

    /** The same node, in this group, standing there. */
    NodeRecord standing(final Standing now) {
        return new NodeRecord(
                node,
                group,
                peer,
                now,
                lineage,
                committedEpoch,
                leftSession,
                isClean,
                isMerging,
                isForced,
                boot,
                disks);
    }

    /** The same in a group with a peer, of this lineage, at an epoch of it. */
    NodeRecord in(
            final Id ofGroup,
            final Id withPeer,
            final Lineage with,
            final long epoch,
            final Standing now) {
        return new NodeRecord(
                node,
                ofGroup,
                withPeer,
                now,
                with,
                epoch,
                leftSession,
                isClean,
                isMerging,
                isForced,
                boot,
                disks);
    }

    /** The same at an epoch. */
    NodeRecord at(final long epoch) {
        return in(group, peer, lineage, epoch, standing);
    }

    /** The same with a session that ended, or none, in good order or not. */
    NodeRecord left(final Id session, final boolean inGoodOrder) {
        return new NodeRecord(
                node,
                group,
                peer,
                standing,
                lineage,
                committedEpoch,
                session,
                inGoodOrder,
                isMerging,
                isForced,
                boot,
                disks);
    }

    /** The same in the midst of a merge or not. */
    NodeRecord merging(final boolean nowMerging) {
        return new NodeRecord(
                node,
                group,
                peer,
                standing,
                lineage,
                committedEpoch,
                leftSession,
                isClean,
                nowMerging,
                isForced,
                boot,
                disks);
    }

    /** The same, having been forced. */
    NodeRecord forced() {
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
                true,
                boot,
                disks);
    }

    /** The same in a group. */
    NodeRecord group(final Id ofGroup) {
        return new NodeRecord(
                node,
                ofGroup,
                peer,
                standing,
                lineage,
                committedEpoch,
                leftSession,
                isClean,
                isMerging,
                isForced,
                boot,
                disks);
    }

    /** The same written in another boot. */
    NodeRecord boot(final Id ofBoot) {
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
                ofBoot,
                disks);
    }
}
