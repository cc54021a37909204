package io.lockstep.engine.secondary;

import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;

/**
 * Makes committed epochs durable in the background, one flush of all disks at a time, and knows up
 * to which one they are. Nobody waits for it; a flush that fails is told by the disk, and tried
 * again. On the group's loop.
 */
final class Durability {
    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final SecondaryGroup group;
    private final IoLoop loop;
    private long epoch;
    private boolean isUnderWay;

    Durability(final SecondaryGroup group, final IoLoop loop) {
        this.group = group;
        this.loop = loop;
    }

    /** The last committed epoch of which all is on stable storage, as far as this process knows. */
    long epoch() {
        return epoch;
    }

    /** All of an epoch is there. */
    void onDurable(final long nowDurable) {
        epoch = Math.max(epoch, nowDurable);
    }

    /** Another epoch is committed. */
    void onCommitted() {
        if (!isUnderWay) {
            isUnderWay = true;
            loop.schedule(PAUSE_NANOS, this::flush);
        }
    }

    private void flush() {
        if (!group.isStarted()) {
            isUnderWay = false;
            return;
        }
        final long committed = group.committedEpoch();
        group.flush(
                isDone -> {
                    isUnderWay = false;
                    if (isDone) {
                        onDurable(committed);
                    }
                    if (group.committedEpoch() > epoch) {
                        onCommitted();
                    }
                });
    }
}
