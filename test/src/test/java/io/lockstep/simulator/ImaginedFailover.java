package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.function.Consumer;

/**
 * What if a secondary were killed at this instant, and another process told to take over? Plays
 * that with copies of all that it has, in a world of its own.
 */
final class ImaginedFailover {
    private ImaginedFailover() {}

    /**
     * What the disks would hold then.
     *
     * @param seed of that world
     * @param disks as they are, and stay
     * @param self a copy of the node
     * @param options of the group, with a copy of its buffers
     * @param takeOver the order, where it has not taken over before
     */
    static List<SimulatedMedium> of(
            final long seed,
            final List<SimulatedMedium> disks,
            final Self self,
            final SecondaryOptions options,
            final Consumer<SecondaryGroup> takeOver) {
        final Simulation world = new Simulation(seed);
        final SimulatedHost other =
                new SimulatedHost(new SimulatedNetwork(world, NetworkFaults.NONE), "other");
        final List<SimulatedMedium> media =
                disks.stream().map(disk -> disk.copy(world, DiskFaults.NONE)).toList();
        final SimulatedLoop loop = other.loop("loop");
        final List<Disk> opened = media.stream().map(medium -> other.open(medium, loop)).toList();
        final SecondaryGroup[] copy = new SecondaryGroup[1];
        loop.run(
                () -> {
                    try {
                        copy[0] =
                                SecondaryGroup.open(
                                        loop,
                                        opened,
                                        self,
                                        options,
                                        (event, disk, epoch, sentence) -> {});
                    } catch (final IOException e) {
                        throw new UncheckedIOException(e);
                    }
                    if (copy[0].status().state() != GroupStatus.State.MERGING) {
                        takeOver.accept(copy[0]);
                    }
                });
        world.runUntil(
                "the merge after a kill is done",
                60 * Simulation.SECOND,
                () -> copy[0].status().state() == GroupStatus.State.ALONE);
        copy[0].close();
        return media;
    }
}
