package io.lockstep.engine.primary;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** A clock that stands until it is moved, and its timers. */
final class ClockLoop implements IoLoop {
    private final PriorityQueue<Due> timers =
            new PriorityQueue<>(Comparator.comparingLong(Due::nanos));
    private long now = 1;

    private record Due(long nanos, Runnable action) {}

    /** Time passes, and what is due by then is done. */
    void pass(final long nanos) {
        final long end = now + nanos;
        while (!timers.isEmpty() && timers.element().nanos <= end) {
            final Due next = timers.remove();
            now = next.nanos;
            next.action.run();
        }
        now = end;
    }

    /** Time passes, and nothing is done meanwhile; what is due then is done behind it, once. */
    void standStill(final long nanos) {
        now += nanos;
        final List<Due> late = new ArrayList<>();
        while (!timers.isEmpty() && timers.element().nanos <= now) {
            late.add(timers.remove());
        }
        late.forEach(due -> due.action.run());
    }

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // one of them, whatever others are like it
    public Timer schedule(final long delayNanos, final Runnable scheduled) {
        final Due due = new Due(now + delayNanos, scheduled);
        timers.add(due);
        return () -> timers.removeIf(other -> other == due);
    }

    @Override
    public void execute(final Runnable task) {
        schedule(0, task);
    }

    /** Others stand whenever nobody moves their clocks. */
    @Override
    public void whileStanding(final List<IoLoop> others, final Runnable action) {
        action.run();
    }

    @Override
    public Listener listen(final Endpoint endpoint, final AcceptHandler handler) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void connect(final Endpoint endpoint, final ConnectHandler handler) {
        throw new UnsupportedOperationException();
    }
}
