package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.List;

/**
 * The end of a primary's process: nobody waits for a secondary that is away, and the session ends
 * in good order where the secondary has everything. On the guest's loop.
 */
final class Leaving {
    private final PrimaryGroup group;
    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private final Link link;
    private final PrimaryReign reign;
    private final PrimaryEpochs epochs;
    private final PeerPresence presence;
    private final Lanes lanes;
    private final PrimaryHealing healing;
    private final LastWait lastWait;
    private final PrimaryEvents events;
    private final List<PrimaryDisk> disks;

    Leaving(
            final PrimaryGroup group,
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final Link link,
            final PrimaryReign reign,
            final PrimaryEpochs epochs,
            final PeerPresence presence,
            final Lanes lanes,
            final PrimaryHealing healing,
            final PrimaryEvents events,
            final List<PrimaryDisk> disks) {
        this.group = group;
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
        this.link = link;
        this.reign = reign;
        this.epochs = epochs;
        this.presence = presence;
        this.lanes = lanes;
        this.healing = healing;
        this.events = events;
        this.disks = disks;
        lastWait = new LastWait(guestLoop, lanes::released, lanes::look);
    }

    /** The process will end: see {@link PrimaryGroup#prepareToStop}. */
    void prepareToStop() {
        lastWait.begin();
        reign.prepareToStop();
        lanes.prepareToStop(this::isHopeless);
    }

    private boolean isHopeless() {
        return presence.isAway()
                || reign.isSupplanted()
                || lastWait.isOver()
                || presence.isForeign() && epochs.sealed() > epochs.committed();
    }

    /** Runs an action when the secondary has answered all, or won't. */
    void drain(final Runnable whenDrained) {
        lanes.drain(
                () -> {
                    tellWhatIsLacking();
                    whenDrained.run();
                });
    }

    private void tellWhatIsLacking() {
        final long length = lanes.isOver() ? 0 : lanes.unansweredLength();
        if (length > 0 && lanes.isHopeless() && !reign.isSupplanted()) {
            events.lacking(length);
        }
    }

    /** Whether the secondary is linked, and lacks nothing but what is on its way. */
    boolean isEqual() {
        return group.isRunning()
                && presence.isLinked()
                && !presence.isForeign()
                && lanes.isLogging()
                && !healing.isBehind();
    }

    /** Whether it has answered all that there is, too. */
    boolean hasAll() {
        return isEqual() && lanes.isAnswered();
    }

    /** Ends the session in good order, where that can be. */
    void leave(final Runnable whenLeft) {
        if (!hasAll()) {
            whenLeft.run();
            return;
        }
        LocalFlush.flushAll(
                disks,
                () ->
                        linkLoop.execute(
                                () ->
                                        link.leaveInGoodOrder(
                                                () -> guestLoop.execute(() -> onLeft(whenLeft)),
                                                () -> guestLoop.execute(whenLeft))),
                whenLeft);
    }

    private void onLeft(final Runnable whenLeft) {
        guestLoop.after(reign.leave(), (done, thrown) -> whenLeft.run());
    }
}
