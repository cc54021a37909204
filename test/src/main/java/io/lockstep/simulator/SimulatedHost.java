package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * A host with one process of ours on it: some loops, and the disks that they opened. The process
 * may be killed, or the host may lose its power; after either the same host starts again with new
 * loops, and finds its media as they were left. Its clock reads any number, as {@link
 * System#nanoTime} may.
 */
public final class SimulatedHost {
    private final SimulatedNetwork network;
    private final Simulation simulation;
    private final String name;
    private final List<SimulatedLoop> loops = new ArrayList<>();
    private final List<SimulatedDisk> disks = new ArrayList<>();
    private final List<Runnable> stopActions = new ArrayList<>();
    private Consumer<Throwable> errorHandler;
    private long clockOffset;

    /** A host, up and without loops. */
    public SimulatedHost(final SimulatedNetwork network, final String name) {
        this.network = network;
        this.simulation = network.simulation();
        this.name = name;
        this.errorHandler = simulation::fail;
        this.clockOffset = chooseClock();
    }

    /** The name by which endpoints know it. */
    public String name() {
        return name;
    }

    /** Starts a loop. */
    public SimulatedLoop loop(final String loopName) {
        final SimulatedLoop loop = new SimulatedLoop(this, loopName);
        loops.add(loop);
        return loop;
    }

    /** Opens a medium for one loop of this host. */
    public Disk open(final SimulatedMedium medium, final SimulatedLoop loop) {
        final SimulatedDisk disk = new SimulatedDisk(simulation, medium, loop);
        disks.add(disk);
        return disk;
    }

    /**
     * Has something done when the process has gone, however it went: to give back memory and files
     * that the simulator's own process holds in its stead. What it does reaches nobody any more;
     * operations of disks that were in flight complete after it.
     */
    public void onStop(final Runnable action) {
        stopActions.add(action);
    }

    /** Takes what handlers and tasks throw; at first that ends the run. */
    public void onError(final Consumer<Throwable> handler) {
        errorHandler = handler;
    }

    /**
     * Kills the process: {@code kill -9}. The kernel closes its connections, and keeps what was
     * written to disks.
     */
    public void kill() {
        simulation.trace(name, "killed", 0, 0);
        stop(false);
    }

    /**
     * Cuts the power: connections break, with what was in flight; media lose what was not flushed,
     * as their {@link DiskFaults} say.
     */
    public void crash() {
        simulation.trace(name, "crashed", 0, 0);
        stop(true);
        clockOffset = chooseClock();
    }

    SimulatedNetwork network() {
        return network;
    }

    Simulation simulation() {
        return simulation;
    }

    long nanoTime() {
        return simulation.now() + clockOffset;
    }

    void report(final Throwable thrown) {
        simulation.trace(name, "threw " + thrown, 0, 0);
        errorHandler.accept(thrown);
    }

    /** Any number; every fourth time one that soon overflows. */
    private long chooseClock() {
        final Dice dice = simulation.dice();
        return dice.chance(0.25)
                ? Long.MAX_VALUE - simulation.now() - dice.between(0, 10 * Simulation.SECOND)
                : dice.any();
    }

    private void stop(final boolean withHost) {
        final List<SimulatedDisk> detached = List.copyOf(disks);
        final List<Runnable> actions = List.copyOf(stopActions);
        disks.forEach(disk -> disk.detach(withHost));
        disks.clear();
        loops.forEach(loop -> loop.die(withHost));
        loops.clear();
        stopActions.clear();
        actions.forEach(Runnable::run);
        detached.forEach(SimulatedDisk::release);
    }
}
