package io.lockstep.cli.control;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/** A loop without sockets, which runs its tasks, and lets time pass, when it is told to. */
final class TasksLoop implements IoLoop {
    private final Queue<Runnable> tasks = new ArrayDeque<>();
    private final List<Scheduled> timers = new ArrayList<>();
    private long now;

    private record Scheduled(long deadline, Runnable action) implements Timer {
        @Override
        public void cancel() {
            throw new UnsupportedOperationException();
        }
    }

    void runAll() {
        while (!tasks.isEmpty()) {
            tasks.remove().run();
        }
    }

    /** How many tasks wait. */
    int count() {
        return tasks.size();
    }

    /** Runs what is there, and what is due then. */
    void pass(final long nanos) {
        runAll();
        now += nanos;
        final List<Scheduled> due = timers.stream().filter(one -> one.deadline <= now).toList();
        timers.removeAll(due);
        due.forEach(one -> one.action.run());
        runAll();
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
        final Scheduled timer = new Scheduled(now + delayNanos, action);
        timers.add(timer);
        return timer;
    }

    @Override
    public long nanoTime() {
        return now;
    }
}
