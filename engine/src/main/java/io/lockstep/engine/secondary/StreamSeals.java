package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.MemorySegment;

/**
 * The seals in the stream of a disk. What came before one on its connection is of the epoch, and
 * what comes behind it is not: so it is taken as it comes, on the stream's loop. Where the group's
 * last disk to seal commits as well, that is the group's turn.
 */
final class StreamSeals {
    private final SecondaryGroup group;

    /** The group's. */
    private final IoLoop loop;

    private final SecondaryDisk disk;
    private final StreamDisk stream;
    private final StreamControl control;

    StreamSeals(
            final SecondaryGroup group,
            final IoLoop loop,
            final SecondaryDisk disk,
            final StreamDisk stream,
            final StreamControl control) {
        this.group = group;
        this.loop = loop;
        this.disk = disk;
        this.stream = stream;
        this.control = control;
    }

    /** Takes one of the attached primary; completes when the epoch's writes are in the disk. */
    void take(
            final MemorySegment from,
            final long position,
            final Disk.Completion completion,
            final long token) {
        if (loop.isHad()) {
            group.session().heard(); // otherwise the heartbeats tell of it
        }
        final long epoch = ControlRecord.epoch(from, position);
        final int flags = ControlRecord.flags(from, position);
        final boolean isCaughtUp = (flags & ControlRecord.CAUGHT_UP) != 0;
        final int errno = seal(epoch, isCaughtUp ? 1 : 0);
        if (errno != 0) {
            completion.onComplete(token, errno);
        } else if (isCaughtUp) {
            disk.whenDrained(() -> loop.within(() -> control.catchUp(epoch, completion, token)));
        } else {
            disk.whenDrained(() -> onSealed(epoch, flags, completion, token));
        }
    }

    /**
     * Seals an epoch.
     *
     * @param more that may be uncommitted: where nothing comes behind it before it is committed
     */
    private int seal(final long epoch, final int more) {
        final long open = stream.openEpoch();
        if (epoch < open) {
            return 0;
        }
        if (group.isOver()) {
            // as what comes before it is
            return control.refuse(Errno.ESHUTDOWN, group.refusalOfChanges());
        }
        if (epoch > open) {
            return control.refuse(
                    Errno.EINVAL, "epoch " + epoch + " can't be sealed: the open one is " + open);
        }
        if (epoch + 1 > group.committedEpoch() + SecondaryCheckpoints.UNCOMMITTED_MAX + more) {
            return control.refuse(
                    Errno.EINVAL,
                    "epoch "
                            + epoch
                            + " can't be sealed before epoch "
                            + (epoch - 1)
                            + " is committed");
        }
        disk.endEpoch();
        return 0;
    }

    /** The group's last disk to seal the epoch commits it, where that was asked for. */
    private void onSealed(
            final long epoch, final int flags, final Disk.Completion completion, final long token) {
        final boolean commitsToo =
                (flags & ControlRecord.AND_COMMIT) != 0 && epoch <= group.sealedEpoch();
        if (commitsToo) {
            loop.within(() -> completion.onComplete(token, control.commit(epoch)));
        } else {
            completion.onComplete(token, 0);
        }
    }
}
