package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.tracking.Tracking;

import java.util.List;

/** What the guest changes is put into the log, and sent. */
final class DataForwarding implements Forwarding {
    private final PrimaryDiskOwner owner;
    private final ForwardLog log;
    private final RoomQueue room;
    private final Tracking tracking;
    private final GuestWatch watch;
    private final EmptyDisks emptyDisks;

    DataForwarding(
            final List<Disk> locals,
            final PrimaryDiskOwner owner,
            final ForwardLog log,
            final RoomQueue room,
            final Tracking tracking,
            final GuestWatch watch) {
        this.owner = owner;
        this.log = log;
        this.room = room;
        this.tracking = tracking;
        this.watch = watch;
        emptyDisks = new EmptyDisks(locals);
    }

    @Override
    public PrimaryDisk disk(final Disk local, final int number) {
        return new PrimaryDisk(
                tracking.guard(number, local),
                new OutOfSync(local.length()),
                owner,
                number,
                log,
                room,
                tracking,
                watch);
    }

    @Override
    public EmptyDisks emptyDisks() {
        return emptyDisks;
    }

    @Override
    public int attachFlags() {
        return 0;
    }

    /** What is not in the log is noted. */
    @Override
    public boolean isAlone() {
        return false;
    }

    /** Everything before it has its place. */
    @Override
    public void seal(final int disk, final long frame) {
        log.decide(frame, true);
    }

    @Override
    public void onSkipped(final long frame) {}

    @Override
    public void onCut() {}

    @Override
    public void onLeaving() {}

    @Override
    public void onPeerOut() {}

    /** The secondary has all of it on storage of its own. */
    @Override
    public void whenDurableHere(final Runnable action) {
        action.run();
    }

    @Override
    public boolean isOfOneDisk() {
        return false;
    }

    @Override
    public void onReleased() {}

    @Override
    public void close() {}
}
