package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.tracking.Tracking;

import java.util.List;

/** What the guest changes is put into the log, and sent. */
final class DataForwarding implements Forwarding {
    private final PrimaryDiskOwner owner;
    private final Lanes lanes;
    private final Tracking tracking;
    private final EmptyDisks emptyDisks;

    DataForwarding(
            final List<Disk> locals,
            final PrimaryDiskOwner owner,
            final Lanes lanes,
            final Tracking tracking) {
        this.owner = owner;
        this.lanes = lanes;
        this.tracking = tracking;
        emptyDisks = new EmptyDisks(locals, lanes);
    }

    @Override
    public PrimaryDisk disk(final Disk local, final int number) {
        return new PrimaryDisk(
                tracking.guard(number, local),
                new OutOfSync(local.length()),
                owner,
                number,
                lanes.of(number),
                tracking);
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
        lanes.of(disk).log().decide(frame, true);
    }

    @Override
    public void onSkipped() {}

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
