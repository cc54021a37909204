package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.tracking.Tracking;

import java.util.List;

/** What a group does about what its disks ask and tell, on the guest's loop. */
final class GroupDisks implements PrimaryDiskOwner {
    private final PrimaryGroup group;
    private final IoLoop loop;
    private final Acknowledgements acknowledgements;
    private final PrimaryEvents events;

    GroupDisks(
            final PrimaryGroup group,
            final IoLoop loop,
            final Acknowledgements acknowledgements,
            final PrimaryEvents events) {
        this.group = group;
        this.loop = loop;
        this.acknowledgements = acknowledgements;
        this.events = events;
    }

    /** How the secondary comes to what these disks' guest changes. */
    Forwarding forwarding(
            final PrimaryOptions options,
            final List<Disk> locals,
            final ForwardLog log,
            final RoomQueue room,
            final PrimaryReign reign,
            final PeerPresence presence,
            final Tracking tracking,
            final GuestWatch watch) {
        return options.isShared()
                ? new Announcements(
                        loop,
                        locals.size(),
                        this,
                        log,
                        room,
                        reign,
                        presence,
                        tracking,
                        watch,
                        options.lostLink(),
                        group::goAlone)
                : new DataForwarding(locals, this, log, room, tracking, watch);
    }

    @Override
    public long nanoTime() {
        return loop.nanoTime();
    }

    @Override
    public void onDecided() {
        group.onDecided();
    }

    @Override
    public boolean forwardsFlushes() {
        return acknowledgements.forwardsFlushes();
    }

    @Override
    public void onEntered(final PrimaryOperation operation) {
        acknowledgements.enter(operation);
    }

    @Override
    public boolean holds(final PrimaryOperation operation) {
        return acknowledgements.holds(operation);
    }

    @Override
    public void onGuestError(final String disk, final long offset, final int errno) {
        events.guestError(disk, offset, errno);
    }

    @Override
    public boolean onUnknown(
            final String disk, final long offset, final long end, final int errno) {
        group.end().onUnknown(disk, offset, errno);
        return false; // a seal may be there already
    }
}
