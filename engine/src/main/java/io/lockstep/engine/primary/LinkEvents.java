package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.node.Summary;

import java.util.List;

/** What a primary does about what its link tells, on the guest's loop. */
final class LinkEvents implements LinkOwner {
    private final PrimaryGroup group;
    private final PrimaryReign reign;
    private final PrimaryEpochs epochs;
    private final PeerPresence presence;
    private final PrimaryCheckpoints checkpoints;
    private final Acknowledgements acknowledgements;
    private final Lanes lanes;
    private final PrimaryEvents events;
    private final PrimaryHealing healing;
    private final Synchroniser synchroniser;
    private final PeerTracking tracking;
    private final PrimaryMeeting meeting;
    private final Forwarding forwarding;
    private final List<PrimaryDisk> disks;

    /** Of the link's ups and downs. */
    private long linkCount;

    LinkEvents(
            final PrimaryGroup group,
            final PrimaryReign reign,
            final PrimaryEpochs epochs,
            final PeerPresence presence,
            final PrimaryCheckpoints checkpoints,
            final Acknowledgements acknowledgements,
            final Lanes lanes,
            final PrimaryEvents events,
            final PrimaryHealing healing,
            final PrimaryMeeting meeting,
            final Forwarding forwarding,
            final List<PrimaryDisk> disks) {
        this.group = group;
        this.reign = reign;
        this.epochs = epochs;
        this.presence = presence;
        this.checkpoints = checkpoints;
        this.acknowledgements = acknowledgements;
        this.lanes = lanes;
        this.events = events;
        this.healing = healing;
        synchroniser = healing.synchroniser();
        tracking = healing.peerTracking();
        this.meeting = meeting;
        this.forwarding = forwarding;
        this.disks = disks;
    }

    @Override
    public void onFound(
            final int disk,
            final Summary secondary,
            final boolean isPrimary,
            final LinkOwner.Judgement judgement) {
        meeting.onFound(disk, secondary, isPrimary, judgement, group.orders()::attachAgain);
    }

    @Override
    public void onUp(final boolean nowForeign, final long sealed, final long committed) {
        meeting.onTried();
        if (!group.isRunning()) {
            return;
        }
        final long up = ++linkCount;
        if (nowForeign) {
            if (acknowledgements.level().isAboutSecondary()) {
                refuse(events.knowsNoEpochs(acknowledgements.level()));
                return;
            }
            presence.onUp(true);
            linked(true, sealed, committed);
            return;
        }
        acknowledgements.onMeeting(true);
        reign.meet(
                committed,
                !synchroniser.isUnderWay() && !acknowledgements.isAlone(),
                isMet -> {
                    acknowledgements.onMeeting(false);
                    if (up != linkCount || !group.isRunning()) {
                        return; // it was cut meanwhile
                    }
                    if (isMet && !forwarding.isAlone()) {
                        presence.onUp(false); // before what waits is acknowledged
                        reign.onMet();
                        linked(false, sealed, committed);
                    } else {
                        group.orders().attachAgain();
                    }
                });
    }

    private void linked(final boolean nowForeign, final long sealed, final long committed) {
        lanes.peerIsThere(!nowForeign);
        if (!group.hasStarted() || synchroniser.isPrepared()) {
            epochs.goOnBehind(sealed);
            tracking.onNumbered(sealed);
            checkpoints.onNumbered();
            acknowledgements.onNumbered();
        }
        commit(committed);
        events.linkUp();
        if (synchroniser.isUnderWay()) {
            events.synchronising(synchroniser.status().orElseThrow());
            synchroniser.onUp(reign.session());
        } else if (!nowForeign) {
            tracking.onEqual(reign.peer());
        }
        group.onStarted();
        healing.lengthening().onLinked();
        checkpoints.onLinked();
        acknowledgements.onLinked();
    }

    @Override
    public void onPeerOut() {
        reign.onPeerOut();
        events.leftBehind();
        forwarding.onPeerOut();
    }

    @Override
    public void onNotOutdated(final String reason) {
        group.end().notLeftBehind(events.notLeftBehind(reason));
    }

    @Override
    public void onDown(final String reason) {
        linkCount++;
        meeting.onTried();
        reign.onCut();
        presence.onDown(reason);
        lanes.peerIsThere(false);
        events.linkDown(reason);
        forwarding.onCut();
        group.handOver().onCut(reason);
    }

    @Override
    public void onUnfit(final String disk, final String reason) {
        refuse(events.unfit(disk, reason));
    }

    @Override
    public void onLongerThere(final int disk, final long length) {
        healing.lengthening().onLongerThere(disk, length);
    }

    @Override
    public void onRefused(
            final String what,
            final String disk,
            final long offset,
            final int errno,
            final String reason) {
        refuse(events.refused(what, disk, offset, errno, reason));
    }

    private void refuse(final ReplicationError cause) {
        if (!group.handOver().asksAgain() && group.isRunning()) {
            reign.onRefused(cause.sentence());
            group.end().giveUp(GroupEvents.Event.REPLICATION_ERROR, cause);
        }
    }

    @Override
    public void onUnreachable(final String reason, final boolean isRefused) {
        meeting.onTried();
        reign.onUnreachable(isRefused);
        presence.onUnreachable(reason);
    }

    @Override
    public void onSealed(final long epoch) {
        epochs.onSealed(epoch);
        lanes.look();
        acknowledgements.look();
    }

    @Override
    public void onCommitted(final long epoch) {
        commit(epoch);
        if (epochs.isEqualWith(epoch)) {
            synchroniser.onCommitted();
        }
        acknowledgements.look();
    }

    private void commit(final long epoch) {
        if (epochs.commit(epoch)) {
            events.checkpoint();
            epochs.tellCommitted();
        }
    }

    @Override
    public void onCompared(final int disk, final long frame, final long differing) {
        healing.onCompared(disk, frame, differing);
    }

    @Override
    public void onTail(final int disk, final long firstBlock, final long[] bits) {
        disks.get(disk).noteTail(firstBlock, bits);
    }

    @Override
    public void onTailEnd(final int disk) {
        synchroniser.onTail(disk);
    }

    @Override
    public void onDurable(final long epoch) {
        tracking.onDurable(epoch);
        onStored(epoch);
    }

    @Override
    public void onStored(final long epoch) {
        if (epochs.onDurable(epoch)) {
            events.durable(epoch);
            reign.lostLink().onDurable(epoch);
            acknowledgements.look();
        }
    }

    @Override
    public void onFlags(final int flags) {
        group.handOver().onFlags(flags);
    }

    @Override
    public void onReleased() {
        lanes.onReleased();
        forwarding.onReleased();
    }
}
