/**
 * Hosts, network, disks and clock in one thread, made from a seed, for what runs on {@link
 * io.lockstep.engine.loop.IoLoop} and {@link io.lockstep.engine.disk.Disk}: the real classes run in
 * it unchanged. The same seed gives the same run.
 *
 * <p>A scenario starts with {@link io.lockstep.simulator.Simulation#run}; makes a {@link
 * io.lockstep.simulator.SimulatedNetwork}, {@link io.lockstep.simulator.SimulatedHost}s with their
 * loops, and {@link io.lockstep.simulator.SimulatedMedium}s that hosts open; starts what it tests
 * on them; and runs the clock. What goes wrong is in {@link io.lockstep.simulator.NetworkFaults}
 * and {@link io.lockstep.simulator.DiskFaults}, and may change on the way.
 *
 * <p>It is harsher than any one machine, and never unfair: what an interface leaves open happens in
 * every way that it may, and what an interface promises is kept.
 */
package io.lockstep.simulator;
