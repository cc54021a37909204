package io.lockstep.simulator;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A loop on a simulated host. Every event comes a little late, as it does where a thread has other
 * things to do; timers up to a millisecond. When its process has gone, nothing of it runs any more.
 */
public final class SimulatedLoop implements IoLoop {
    private static final long TURN_NANOS_MAX = 20 * Simulation.MICROSECOND;
    private static final long TIMER_SLACK_NANOS = Simulation.MILLISECOND;

    private final SimulatedHost host;
    private final Simulation simulation;
    private final Dice dice;
    private final String name;
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final Set<SimulatedConnection> connections = new LinkedHashSet<>();
    private final Set<Listener> listeners = new LinkedHashSet<>();
    private long turnCount;
    private boolean tasksDue;
    private boolean alive = true;

    SimulatedLoop(final SimulatedHost host, final String name) {
        this.host = host;
        this.simulation = host.simulation();
        this.dice = simulation.dice().split();
        this.name = host.name() + "/" + name;
    }

    @Override
    public Listener listen(final Endpoint endpoint, final AcceptHandler handler)
            throws IOException {
        simulation.requireLoop(this, "listen");
        final Listener listener = host.network().listen(this, endpoint, handler);
        listeners.add(listener);
        return listener;
    }

    @Override
    public void connect(final Endpoint endpoint, final ConnectHandler handler) {
        simulation.requireLoop(this, "connect");
        if (alive) {
            host.network().connect(this, endpoint, handler);
        }
    }

    @Override
    public Timer schedule(final long delayNanos, final Runnable action) {
        simulation.requireLoop(this, "schedule");
        return simulation.schedule(
                Math.max(0, delayNanos) + dice.between(0, TIMER_SLACK_NANOS), () -> run(action));
    }

    @Override
    public void execute(final Runnable action) {
        if (!alive) {
            return;
        }
        tasks.add(action);
        if (!tasksDue) {
            tasksDue = true;
            soon(this::runTasks);
        }
    }

    /** One thread has all loops: between two events every other one stands. */
    @Override
    public void whileStanding(final List<IoLoop> others, final Runnable action) {
        others.forEach(other -> ((SimulatedLoop) other).runTasks());
        simulation.current(null); // what belongs to any of them may be used
        try {
            action.run();
        } finally {
            simulation.current(this);
        }
    }

    @Override
    public long nanoTime() {
        return host.nanoTime();
    }

    /** Counts what has run on it. */
    public long turnCount() {
        return turnCount;
    }

    /** Whose loop it is. */
    public SimulatedHost host() {
        return host;
    }

    @Override
    public String toString() {
        return name;
    }

    /** Runs an action on this loop at its next turn. */
    void soon(final Runnable action) {
        simulation.schedule(dice.between(0, TURN_NANOS_MAX), () -> run(action));
    }

    /** Runs an action now, as this loop's; what it throws goes where the host's errors go. */
    void run(final Runnable action) {
        if (!alive) {
            return;
        }
        final SimulatedLoop previous = simulation.current();
        simulation.current(this);
        turnCount++;
        try {
            action.run();
        } catch (final Exception | Error thrown) {
            host.report(thrown);
        } finally {
            simulation.current(previous);
        }
    }

    void add(final SimulatedConnection connection) {
        connections.add(connection);
    }

    void remove(final SimulatedConnection connection) {
        connections.remove(connection);
    }

    boolean isAlive() {
        return alive;
    }

    /**
     * The process has gone, or the whole host: only in the second case is there no kernel to say
     * goodbye.
     */
    void die(final boolean withHost) {
        alive = false;
        tasks.clear();
        listeners.forEach(Listener::close);
        for (final SimulatedConnection connection : new ArrayList<>(connections)) {
            if (withHost) {
                connection.vanish();
            } else {
                connection.close();
            }
        }
    }

    private void runTasks() {
        tasksDue = false;
        for (int count = tasks.size(); count > 0 && alive; count--) {
            run(tasks.remove());
        }
        if (!tasks.isEmpty() && !tasksDue) {
            tasksDue = true;
            soon(this::runTasks);
        }
    }
}
