package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.tracking.Tracking;

import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * What a group does about what its disks ask and tell, on a disk's loop. What they are told there
 * changes in the group's turn alone; what they tell is done in it.
 */
final class GroupDisks implements PrimaryDiskOwner {
    /** A secondary's device is flushed at most so often for what its primary's guest flushes. */
    private static final long FLUSH_SPACING_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

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
            final Lanes lanes,
            final PrimaryReign reign,
            final PeerPresence presence,
            final Tracking tracking) {
        return options.isShared()
                ? new Announcements(
                        loop,
                        locals.size(),
                        this,
                        lanes.of(0),
                        reign,
                        presence,
                        tracking,
                        options.lostLink(),
                        group::goAlone)
                : new DataForwarding(locals, this, lanes, tracking);
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
    public long flushSpacingNanos() {
        return FLUSH_SPACING_NANOS;
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
        loop.within(() -> events.guestError(disk, offset, errno));
    }

    @Override
    public boolean onUnknown(
            final String disk, final long offset, final long end, final int errno) {
        loop.within(() -> group.end().onUnknown(disk, offset, errno));
        return false; // a seal may be there already
    }
}
