package io.lockstep.engine.secondary;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Node;

import java.util.concurrent.TimeUnit;

/**
 * Makes committed epochs durable in the background, one flush of all disks at a time, and records
 * up to which one they are: what a primary has forgotten because of that, the node will know of.
 * Nobody waits for it; a flush that fails is told by the disk, and tried again. On the group's
 * loop.
 */
final class Durability {
    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final SecondaryGroup group;
    private final Node node;
    private final IoLoop loop;
    private long epoch;
    private boolean isUnderWay;

    Durability(final SecondaryGroup group, final Node node, final IoLoop loop) {
        this.group = group;
        this.node = node;
        this.loop = loop;
    }

    /** The last epoch that is committed, durable and recorded, as far as this process knows. */
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
        group.disks()
                .flush(
                        isDone -> {
                            if (isDone) {
                                loop.after(
                                        node.durable(committed),
                                        (done, thrown) -> end(committed, thrown == null));
                            } else {
                                end(committed, false);
                            }
                        });
    }

    private void end(final long committed, final boolean isDone) {
        isUnderWay = false;
        if (isDone) {
            onDurable(committed);
        }
        if (group.committedEpoch() > epoch) {
            onCommitted();
        }
    }
}
