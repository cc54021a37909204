package io.lockstep.simulator;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A primary whose secondary is a plain NBD server, which knows nothing of epochs and does what it
 * is asked for in any order: in the end it holds what the primary holds (I2), over cuts of the link
 * and through checkpoints.
 */
final class ForeignSecondaryScenario {
    private static final long WHILE_NANOS = 600 * Simulation.SECOND;
    private static final int LENGTH_MAX = 64 << 10;

    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedNetwork network;
    private final SimulatedHost foreign;
    private final List<ReplicatedDisk> disks = new ArrayList<>();
    private final List<NbdGuest> guests = new ArrayList<>();
    private final PrimarySide primary;

    ForeignSecondaryScenario(final Simulation simulation) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        network = new SimulatedNetwork(simulation, NetworkFaults.NONE);
        foreign = new SimulatedHost(network, "secondary");
        for (int i = dice.between(1, 2); i > 0; i--) {
            disks.add(makeDisk("disk" + i));
        }
        primary =
                new PrimarySide(
                        network,
                        "primary",
                        disks,
                        new PrimaryGroup.Options(1 << 20, FullLogPolicy.BLOCK, true),
                        dice.chance(0.5),
                        true);
    }

    private ReplicatedDisk makeDisk(final String name) {
        final long length = dice.between(1, 200_000);
        final GuestDisk disk =
                new GuestDisk(
                        simulation, new SimulatedMedium(simulation, name, length, DiskFaults.NONE));
        return new ReplicatedDisk(
                simulation,
                disk,
                new SimulatedMedium(simulation, name, length, DiskFaults.NONE),
                false);
    }

    void play() {
        serve();
        primary.start();
        primary.execute(PrimaryGroup::start);
        simulation.runUntil(
                "it is linked", WHILE_NANOS, () -> primary.hasHeard(GroupEvents.Event.LINK_UP));
        final SimulatedHost guestHost = new SimulatedHost(network, "guests");
        for (int i = dice.between(1, 3); i > 0; i--) {
            guests.add(
                    new NbdGuest(
                            guestHost.loop("guest" + i),
                            primary.guestEndpoint(),
                            disks.get(dice.between(0, disks.size() - 1)).primary(),
                            new NbdGuest.Habits(60, 8, LENGTH_MAX, 9000, true)));
        }
        guests.forEach(NbdGuest::start);
        for (int i = dice.between(0, 3); i > 0; i--) {
            simulation.scheduleAfterEvents(
                    dice.between(1, 2000), () -> network.cut(primary.host(), foreign));
            simulation.scheduleAfterEvents(
                    dice.between(1, 2000), () -> primary.execute(PrimaryGroup::checkpoint));
        }
        simulation.runUntil(
                "the guests are served",
                WHILE_NANOS,
                () -> guests.stream().allMatch(NbdGuest::isGone));
        final boolean[] isDrained = new boolean[1];
        primary.execute(group -> group.drain(() -> isDrained[0] = true));
        simulation.runUntil("the stream has drained", WHILE_NANOS, () -> isDrained[0]);
        disks.forEach(ReplicatedDisk::checkMediaEqual);
        primary.close();
        foreign.kill();
        guests.forEach(NbdGuest::close);
    }

    /** A server as {@code lockstep serve} is one. */
    private void serve() {
        final SimulatedLoop loop = foreign.loop("loop");
        loop.run(
                () -> {
                    final List<ServedExport> exports =
                            disks.stream()
                                    .map(disk -> foreign.open(disk.secondaryMedium(), loop))
                                    .map(disk -> ServedExport.of(disk, ""))
                                    .toList();
                    final NbdServer server =
                            new NbdServer(loop, exports, 100, new AtomicInteger(), new Silence());
                    foreign.onStop(server::abort);
                    try {
                        final IoLoop.Listener listener =
                                loop.listen(
                                        SecondarySide.STREAM,
                                        connection -> connection.open(loop, server::connect));
                        foreign.onStop(listener::close);
                    } catch (final IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
    }

    private static final class Silence implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            throw new AssertionError(sentence);
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {}
    }
}
