package io.lockstep.engine.secondary;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A loop without sockets whose tasks and timers run when the test says so. */
final class ManualLoop implements IoLoop {
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final List<Runnable> timers = new ArrayList<>();

    /** Runs one task; answers false where there is none. */
    boolean runNext() {
        final Runnable task = tasks.poll();
        if (task != null) {
            task.run();
        }
        return task != null;
    }

    void runAll() {
        while (runNext()) {}
    }

    /** Runs the timers that there are, as if the time for each had come. */
    void runTimers() {
        final List<Runnable> due = List.copyOf(timers);
        timers.clear();
        due.forEach(Runnable::run);
    }

    @Override
    public void execute(final Runnable action) {
        tasks.add(action);
    }

    @Override
    public Listener listen(final Endpoint endpoint, final AcceptHandler handler) {
        throw new AssertionError("no sockets here");
    }

    @Override
    public void connect(final Endpoint endpoint, final ConnectHandler handler) {
        throw new AssertionError("no sockets here");
    }

    @Override
    public Timer schedule(final long delayNanos, final Runnable action) {
        timers.add(action);
        return () -> timers.remove(action);
    }

    @Override
    public long nanoTime() {
        return 0;
    }
}
