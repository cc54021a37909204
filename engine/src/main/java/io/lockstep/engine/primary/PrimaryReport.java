package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationGroup.Role;

import java.util.List;

/** What there is to know of a primary now. On the guest's loop. */
final class PrimaryReport {
    private final PrimaryReign reign;
    private final PrimaryEpochs epochs;
    private final PeerPresence presence;
    private final Lanes lanes;
    private final Acknowledgements acknowledgements;
    private final List<PrimaryDisk> disks;

    PrimaryReport(
            final PrimaryReign reign,
            final PrimaryEpochs epochs,
            final PeerPresence presence,
            final Lanes lanes,
            final Acknowledgements acknowledgements,
            final List<PrimaryDisk> disks) {
        this.reign = reign;
        this.epochs = epochs;
        this.presence = presence;
        this.lanes = lanes;
        this.acknowledgements = acknowledgements;
        this.disks = disks;
    }

    NodeStatus node() {
        return reign.status(presence.toString());
    }

    GroupStatus status(final GroupStatus.State state) {
        final boolean isLogged = !lanes.isOver();
        final long known = reign.origin();
        return new GroupStatus(
                Role.PRIMARY,
                state,
                presence.peer(),
                presence.isLinked(),
                presence.unlinkedNanos(),
                state == GroupStatus.State.ALONE ? "" : presence.unlinkedReason(),
                Math.max(epochs.open(), known + 1),
                Math.max(epochs.sealed(), known),
                known,
                epochs.durable(),
                new GroupStatus.Acknowledging(
                        acknowledgements.level(), acknowledgements.isInForce()),
                isLogged ? lanes.usedLength() : 0,
                isLogged ? lanes.lagNanos() : 0,
                isLogged ? lanes.usedLength() : 0,
                lanes.capacity(),
                0,
                0,
                disks.stream().map(disk -> disk.status(presence.isLinked())).toList());
    }
}
