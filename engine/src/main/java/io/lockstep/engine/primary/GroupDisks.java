package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.function.IntConsumer;

/** What a group does about what its disks ask and tell, on the guest's loop. */
final class GroupDisks implements PrimaryDiskOwner {
    private final PrimaryGroup group;
    private final IoLoop loop;
    private final PrimaryReign reign;
    private final PrimaryEvents events;

    GroupDisks(
            final PrimaryGroup group,
            final IoLoop loop,
            final PrimaryReign reign,
            final PrimaryEvents events) {
        this.group = group;
        this.loop = loop;
        this.reign = reign;
        this.events = events;
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
    public boolean isGated() {
        return reign.isGated();
    }

    @Override
    public void acknowledge(final IntConsumer acknowledgement) {
        reign.acknowledge(acknowledgement);
    }

    @Override
    public void onGuestError(final String disk, final long offset, final int errno) {
        events.guestError(disk, offset, errno);
    }

    @Override
    public void onUnknown(final String disk, final long offset, final long end, final int errno) {
        group.end().onUnknown(disk, offset, errno);
    }
}
