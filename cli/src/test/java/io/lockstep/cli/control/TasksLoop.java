package io.lockstep.cli.control;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayDeque;
import java.util.Queue;

/** A loop without sockets and timers, which runs its tasks when it is told to. */
final class TasksLoop implements IoLoop {
    private final Queue<Runnable> tasks = new ArrayDeque<>();

    void runAll() {
        while (!tasks.isEmpty()) {
            tasks.remove().run();
        }
    }

    @Override
    public void execute(final Runnable action) {
        tasks.add(action);
    }

    @Override
    public Listener listen(final Endpoint endpoint, final AcceptHandler handler) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void connect(final Endpoint endpoint, final ConnectHandler handler) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Timer schedule(final long delayNanos, final Runnable action) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long nanoTime() {
        return 0;
    }
}
