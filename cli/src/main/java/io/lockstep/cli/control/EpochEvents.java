package io.lockstep.cli.control;

import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The events of epochs, of which there may be ten thousand in a second: the first is told at once,
 * and while they come thick the newest of each kind about once in a millisecond. The last is always
 * told, and none as durable before it was as committed.
 *
 * <p>The group's loop stores a number, and wakes the control sockets' loop only where that is not
 * looking again by itself.
 */
final class EpochEvents {
    /** The least time between two of a kind. */
    static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    /** Tells of one, on the control sockets' loop. */
    interface Listener {
        /** An epoch is committed, or durable. */
        void onEpoch(Event event, long epoch);
    }

    private final IoLoop loop;
    private final Listener listener;
    private final Runnable tellTask = this::tellAndLookAgain;
    private final Runnable lookTask = this::look;

    /** The newest ones; stored on the group's loop. */
    private volatile long committed;

    private volatile long durable;

    /** Whether the control sockets' loop will look. */
    private final AtomicBoolean isDue = new AtomicBoolean();

    private long toldCommitted;
    private long toldDurable;

    EpochEvents(final IoLoop loop, final Listener listener) {
        this.loop = loop;
        this.listener = listener;
    }

    // ---- On the group's loop.

    /** One is committed, or durable, and there is somebody to be told. */
    void onEpoch(final Event event, final long epoch) {
        if (event == Event.DURABLE) {
            if (epoch > committed) {
                committed = epoch; // whoever is told now was not here when it was
            }
            durable = epoch;
        } else {
            committed = epoch;
        }
        if (!isDue.get() && isDue.compareAndSet(false, true)) {
            loop.execute(tellTask);
        }
    }

    /** What is to be done before another event of this moment is told, on the other loop. */
    Runnable thoseBefore() {
        final long lastDurable = durable;
        final long lastCommitted = committed;
        return () -> {
            if (lastCommitted > toldCommitted) {
                tellCommitted(lastCommitted);
            }
            if (lastDurable > toldDurable && lastDurable <= toldCommitted) {
                tellDurable(lastDurable);
            }
        };
    }

    // ---- On the control sockets' loop.

    private void tellAndLookAgain() {
        tell();
        loop.schedule(PAUSE_NANOS, lookTask);
    }

    private void look() {
        if (!isNews()) {
            isDue.set(false);
            // One that came before that was left to this look.
            if (!isNews() || !isDue.compareAndSet(false, true)) {
                return;
            }
        }
        tellAndLookAgain();
    }

    private boolean isNews() {
        return committed != toldCommitted || durable != toldDurable;
    }

    private void tell() {
        final long lastDurable = durable; // before what is committed, which is no less
        final long lastCommitted = committed;
        if (lastCommitted != toldCommitted) {
            tellCommitted(lastCommitted);
        }
        if (lastDurable != toldDurable) {
            tellDurable(lastDurable);
        }
    }

    private void tellCommitted(final long epoch) {
        toldCommitted = epoch;
        listener.onEpoch(Event.CHECKPOINT, epoch);
    }

    private void tellDurable(final long epoch) {
        toldDurable = epoch;
        listener.onEpoch(Event.DURABLE, epoch);
    }
}
