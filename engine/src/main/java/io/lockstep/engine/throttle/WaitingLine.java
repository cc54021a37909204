package io.lockstep.engine.throttle;

import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayDeque;
import java.util.Queue;

/**
 * What waits to go one way through a {@link Throttle}, in its order: the first one's turn is asked
 * for, and the others stand behind it. On its loop.
 */
final class WaitingLine {
    private final IoLoop loop;
    private final Throttle throttle;
    private final ThrottleDirection direction;
    private final Runnable afterwards;
    private final Queue<Waiting> waiting = new ArrayDeque<>();
    private final Runnable onTimer = this::onTimer;
    private IoLoop.Timer timer;

    /** Whether the first one's turn is known, and when that is. */
    private boolean isReserved;

    private long turnNanos;

    private record Waiting(long length, Runnable operation) {}

    /**
     * One in which nobody stands.
     *
     * @param afterwards runs when some have gone
     */
    WaitingLine(
            final IoLoop loop,
            final Throttle throttle,
            final ThrottleDirection direction,
            final Runnable afterwards) {
        this.loop = loop;
        this.throttle = throttle;
        this.direction = direction;
        this.afterwards = afterwards;
    }

    /** Whether one may go at once; otherwise it must {@link #add} itself, as the next. */
    boolean mayGo(final long length) {
        if (!waiting.isEmpty()) {
            return false;
        }
        if (!throttle.isLimiting()) {
            return true;
        }
        final long now = loop.nanoTime();
        final long wait = throttle.reserve(direction, length, now);
        isReserved = wait > 0;
        turnNanos = now + wait;
        return wait == 0;
    }

    void add(final long length, final Runnable operation) {
        waiting.add(new Waiting(length, operation));
        if (timer == null) {
            go();
        }
    }

    /** The limits have changed: the first one's turn is another one. */
    void askAnew() {
        isReserved = false;
        if (timer != null) {
            timer.cancel();
            timer = null;
        }
        go();
    }

    private void onTimer() {
        timer = null;
        go();
    }

    private void go() {
        boolean hasGone = false;
        while (!waiting.isEmpty()) {
            final long now = loop.nanoTime();
            if (!isReserved) {
                isReserved = true;
                turnNanos = now + throttle.reserve(direction, waiting.element().length, now);
            }
            if (turnNanos - now > 0) {
                timer = loop.schedule(turnNanos - now, onTimer);
                break;
            }
            isReserved = false;
            hasGone = true;
            waiting.remove().operation.run();
        }
        if (hasGone) {
            afterwards.run();
        }
    }
}
