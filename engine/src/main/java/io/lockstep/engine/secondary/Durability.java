package io.lockstep.engine.secondary;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.server.ControlSpace;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import java.util.function.Predicate;

/**
 * Makes committed epochs durable, one flush of all disks at a time: at once where somebody waits
 * for one, and in the background otherwise. What is flushed is recorded in the background only:
 * what a primary has forgotten because of that, the node will know of. A flush that fails is told
 * by the disk, and tried again. On the group's loop.
 */
final class Durability {
    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final SecondaryGroup group;
    private final Node node;
    private final IoLoop loop;
    private final List<Waiting> waiting = new ArrayList<>();
    private long flushed;
    private long recorded;
    private boolean isFlushing;

    /** Whether it will be recorded, in a while or behind the next flush. */
    private boolean isRecordDue;

    /** Whether the next flush is recorded. */
    private boolean isRecorded;

    /** Somebody who waits until an epoch is durable. */
    private record Waiting(long epoch, ControlSpace.Client client, IntConsumer whenDurable) {}

    Durability(final SecondaryGroup group, final Node node, final IoLoop loop) {
        this.group = group;
        this.node = node;
        this.loop = loop;
    }

    /** The last epoch that is committed and durable, as far as this process knows. */
    long epoch() {
        return flushed;
    }

    /** The last one of which the node will know that after the loss of power. */
    long recordedEpoch() {
        return recorded;
    }

    /** All of an epoch is there, and recorded. */
    void onDurable(final long nowDurable) {
        recorded = Math.max(recorded, nowDurable);
        onFlushed(nowDurable, 0);
    }

    /**
     * Waits until an epoch is committed and durable.
     *
     * @param client whose connection waits
     * @param whenDurable hears 0, or the error for which it won't be
     */
    void whenDurable(
            final long epoch, final ControlSpace.Client client, final IntConsumer whenDurable) {
        if (epoch <= flushed) {
            whenDurable.accept(0);
        } else if (group.isStarted()) {
            waiting.add(new Waiting(epoch, client, whenDurable));
            flushWhereAwaited();
        } else {
            whenDurable.accept(Errno.ESHUTDOWN);
        }
    }

    /** Another epoch is committed. */
    void onCommitted() {
        if (!isRecordDue) {
            isRecordDue = true;
            loop.schedule(PAUSE_NANOS, this::record);
        }
        flushWhereAwaited();
    }

    /** A connection ends: what it waits for may never come. */
    @SuppressWarnings("ReferenceEquality") // a connection equals itself alone
    void onEnding(final ControlSpace.Client client) {
        tell(one -> one.client == client, Errno.ESHUTDOWN);
    }

    private void record() {
        isRecorded = true;
        flush();
    }

    private void flushWhereAwaited() {
        final long committed = group.committedEpoch();
        if (waiting.stream().anyMatch(one -> one.epoch <= committed)) {
            flush();
        }
    }

    private void flush() {
        if (isFlushing) {
            return;
        }
        if (!group.isStarted()) {
            isRecordDue = false;
            tell(one -> true, Errno.ESHUTDOWN);
            return;
        }
        isFlushing = true;
        final boolean records = isRecorded;
        isRecorded = false;
        final long committed = group.committedEpoch();
        group.disks()
                .flush(
                        isDone -> {
                            isFlushing = false;
                            onFlushed(committed, isDone ? 0 : Errno.EIO);
                            if (records) {
                                store(committed, isDone);
                            }
                            goOn();
                        });
    }

    private void goOn() {
        if (isRecorded) {
            flush();
        } else {
            flushWhereAwaited();
        }
    }

    private void onFlushed(final long committed, final int errno) {
        if (errno == 0) {
            flushed = Math.max(flushed, committed);
        }
        tell(one -> one.epoch <= committed, errno);
    }

    private void tell(final Predicate<Waiting> isTold, final int errno) {
        if (waiting.isEmpty()) {
            return;
        }
        final List<Waiting> told = waiting.stream().filter(isTold).toList();
        waiting.removeAll(told);
        told.forEach(one -> one.whenDurable.accept(errno));
    }

    private void store(final long committed, final boolean isFlushed) {
        if (isFlushed) {
            loop.after(
                    node.durable(committed), (done, thrown) -> onStored(committed, thrown == null));
        } else {
            onStored(committed, false);
        }
    }

    private void onStored(final long committed, final boolean isDone) {
        isRecordDue = false;
        if (isDone) {
            recorded = Math.max(recorded, committed);
        }
        if (group.committedEpoch() > recorded) {
            onCommitted();
        }
    }
}
