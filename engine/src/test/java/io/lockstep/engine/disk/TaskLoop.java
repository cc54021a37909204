package io.lockstep.engine.disk;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A loop for tests of disks: it has no sockets, and its tasks run when the test says so. */
final class TaskLoop implements IoLoop {
    private final LinkedBlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
    private final List<Runnable> timers = new ArrayList<>();

    /** Runs the next task, waiting for it. */
    void runNext() {
        try {
            final Runnable task = tasks.poll(30, TimeUnit.SECONDS);
            if (task == null) {
                throw new AssertionError("no task came within 30 seconds");
            }
            task.run();
        } catch (final InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Runs the tasks that are there, and those that they bring. */
    void run() {
        while (!tasks.isEmpty()) {
            runNext();
        }
    }

    /** The time of all timers has come that were set until now. */
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
        final boolean[] isCancelled = new boolean[1];
        timers.add(
                () -> {
                    if (!isCancelled[0]) {
                        action.run();
                    }
                });
        return () -> isCancelled[0] = true;
    }

    @Override
    public long nanoTime() {
        return 0;
    }
}
