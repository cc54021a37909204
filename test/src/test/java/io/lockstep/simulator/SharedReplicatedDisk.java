package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.server.ServedExport;

import java.lang.foreign.MemorySegment;

/**
 * One disk that both sides see, and all that is known of what it may hold. Nothing of it comes over
 * the link: what a checkpoint holds is what a failover would leave when it is made, which must be
 * possible for the primary's guests at the seal; and from then on it must stay that.
 */
final class SharedReplicatedDisk extends ReplicatedDisk {
    private final Dice dice;

    /** Whether the secondary has made it its own. */
    private boolean isTaken;

    /** How likely it is that the secondary can't read it. */
    private double readsFail;

    SharedReplicatedDisk(
            final Simulation simulation, final GuestDisk primary, final boolean secondaryMayFail) {
        super(simulation, primary, primary.medium(), secondaryMayFail);
        dice = simulation.dice().split();
    }

    /** The secondary takes it over. */
    void take() {
        isTaken = true;
    }

    /** From now on the secondary can't always read it. */
    void failReads(final double probability) {
        readsFail = probability;
    }

    /**
     * The secondary has committed an epoch, and follows.
     *
     * @param content to which a failover would return at this moment
     */
    void onCheckpoint(final long epoch, final byte[] content) {
        final DiskModel possible = sealed(epoch);
        if (possible == null) {
            throw new AssertionError("commit of epoch " + epoch + ", which nobody has sealed");
        }
        possible.checkContent(content);
        secondary().model().commit(content);
    }

    @Override
    Disk openedBySecondary(final Disk opened) {
        return new Seen(opened);
    }

    @Override
    ServedExport streamExport(final ServedExport export) {
        return export;
    }

    private void requireTaken(final String what) {
        if (!isTaken) {
            throw new AssertionError("a " + what + " of the secondary, which only reads");
        }
    }

    /** What the secondary's process has of it: it must not write before it has taken over. */
    private final class Seen extends WatchedDisk {
        Seen(final Disk local) {
            super(local, SharedReplicatedDisk.this::requireTaken);
        }

        @Override
        public void read(
                final long offset,
                final int length,
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            if (!isTaken && dice.chance(readsFail)) {
                enterSubmit();
                complete(completion, token, Errno.EIO);
                leaveSubmit();
            } else {
                super.read(offset, length, memory, position, completion, token);
            }
        }
    }
}
