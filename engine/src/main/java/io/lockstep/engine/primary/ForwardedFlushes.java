package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

/**
 * Tells the secondary that the guest has flushed a disk. The guest doesn't wait for the flush
 * there, and nothing is promised of it: so one that goes out a little later stands for all that
 * came meanwhile, and a guest that flushes behind each write does not have its secondary's device
 * flushed as often, which may be its own, and which a seal behind would have to wait for. The last
 * one goes out, too.
 *
 * <p>On the disk's loop. What is to be told later costs a timer, once in the owner's {@linkplain
 * PrimaryDiskOwner#flushSpacingNanos spacing}.
 */
final class ForwardedFlushes {
    private final int disk;
    private final IoLoop loop;
    private final ForwardLog log;
    private final RoomQueue room;
    private final PrimaryDiskOwner owner;
    private final Runnable tell = this::tell;
    private long nextNanos;

    /** Whether one goes out when it is time, for those that have come. */
    private boolean isOwed;

    /** Those of a disk of a lane. */
    ForwardedFlushes(final int disk, final Lane lane, final PrimaryDiskOwner owner) {
        this.disk = disk;
        loop = lane.loop();
        log = lane.log();
        room = lane.room();
        this.owner = owner;
        nextNanos = owner.nanoTime();
    }

    /**
     * The guest flushes. Answers whether that is seen to: where it has to be told now, and the log
     * has no room, it is not.
     */
    boolean forward() {
        if (!owner.forwardsFlushes() || !room.isLogging() || isOwed) {
            return true;
        }
        final long now = owner.nanoTime();
        if (now - nextNanos < 0) {
            isOwed = true;
            loop.schedule(nextNanos - now, tell);
            return true;
        }
        final long frame = log.claim(ForwardLog.Kind.FLUSH, disk, 0, 0, 0, now);
        if (frame < 0) {
            return false;
        }
        nextNanos = now + owner.flushSpacingNanos();
        // The secondary flushes whatever becomes of ours. To wait for it would hold up all frames
        // behind, a seal among them, for as long as a device takes to flush.
        log.decide(frame, true);
        owner.onDecided();
        return true;
    }

    private void tell() {
        isOwed = false;
        if (!forward()) {
            isOwed = true;
            loop.schedule(owner.flushSpacingNanos(), tell);
        }
    }
}
