package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * A primary whose secondary is a plain NBD server, which knows nothing of epochs, does what it is
 * asked for in any order, and goes on with it when the connection is cut: in the end it holds what
 * the primary holds (I2), over cuts of the link, through checkpoints, and after a silence.
 */
final class ForeignSecondaryScenario {
    private static final long WHILE_NANOS = 3600 * Simulation.SECOND;
    private static final int LENGTH_MAX = 64 << 10;

    /** A server that does not greet is given up after so long. */
    private static final long HANDSHAKE_NANOS = 10 * Simulation.SECOND;

    /** One that owes an answer is left after so long, and a share of it for how often we look. */
    private static final long SILENCE_NANOS = PeerTimeout.DEFAULT.nanos();

    /** What the server does late is done by then, whoever asked for it: see docs/protocol.md. */
    private static final long LATE_NANOS_MAX = 25 * Simulation.SECOND;

    /** Writes less than the log holds: a guest that is not held up by the link. */
    private static final NbdGuest.Habits SHORT_STAY = new NbdGuest.Habits(40, 4, 9000, 9000, true);

    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedNetwork network;
    private final SimulatedHost foreign;
    private final List<ReplicatedDisk> disks = new ArrayList<>();
    private final ScenarioGuests guests;
    private final PrimarySide primary;

    ForeignSecondaryScenario(final Simulation simulation) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        network = new SimulatedNetwork(simulation, NetworkFaults.NONE);
        foreign = new SimulatedHost(network, "secondary");
        guests = new ScenarioGuests(simulation, network, dice, disks);
        for (int i = dice.between(1, 2); i > 0; i--) {
            disks.add(makeDisk("disk" + i));
        }
        primary =
                new PrimarySide(
                        network,
                        "primary",
                        disks,
                        new PrimaryOptions(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
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
        startPrimary();
        awaitLink();
        for (int i = dice.between(1, 3); i > 0; i--) {
            guests.start(primary, new NbdGuest.Habits(60, 8, LENGTH_MAX, 9000, true));
        }
        for (int i = dice.between(0, 3); i > 0; i--) {
            simulation.scheduleAfterEvents(
                    dice.between(1, 2000), () -> network.cut(primary.host(), foreign));
            simulation.scheduleAfterEvents(
                    dice.between(1, 2000), () -> primary.execute(PrimaryGroup::checkpoint));
        }
        guests.await(WHILE_NANOS);
        checkConverged();
        close();
    }

    /**
     * A write that is stuck there when its connection is cut comes to the disk late: behind what is
     * written anew, if that does not wait.
     */
    void playLateWrites() {
        disks.forEach(
                disk ->
                        disk.secondaryMedium()
                                .faults(DiskFaults.NONE.slowing(0.04, LATE_NANOS_MAX)));
        serve();
        startPrimary();
        awaitLink();
        for (int i = dice.between(1, 2); i > 0; i--) {
            // Short ones on few blocks: they overwrite each other again and again.
            guests.start(primary, new NbdGuest.Habits(80, 4, 9000, 9000, true));
        }
        for (int i = dice.between(2, 5); i > 0; i--) {
            simulation.schedule(dice.between(0, 90 * Simulation.SECOND), this::trouble);
        }
        guests.await(WHILE_NANOS);
        checkConverged();
        simulation.runFor(LATE_NANOS_MAX);
        disks.forEach(ReplicatedDisk::checkMediaEqual);
        close();
    }

    private void trouble() {
        switch (dice.between(0, 2)) {
            case 0 -> network.cut(primary.host(), foreign);
            case 1 -> primary.execute(group -> group.sever("somebody has cut it"));
            default -> {
                network.partition(primary.host(), foreign);
                simulation.schedule(
                        dice.between(0, 60 * Simulation.SECOND),
                        () -> {
                            network.heal(primary.host(), foreign);
                            onHealed();
                        });
            }
        }
    }

    /** The kernels find out that connections from before lead nowhere. */
    private void onHealed() {
        simulation.schedule(
                dice.between(0, 20 * Simulation.SECOND),
                () -> network.cut(primary.host(), foreign));
    }

    /** What takes the connections says nothing, until a server stands in its place. */
    void playMuteAtFirst() {
        final int[] connections = new int[1];
        listen(
                foreign.loop("mute"),
                connection -> {
                    connections[0]++;
                    return new Mute();
                });
        final long start = simulation.now();
        startPrimary();
        guests.start(primary, SHORT_STAY);
        guests.await(WHILE_NANOS);
        simulation.runUntil(
                "it is left and tried again",
                HANDSHAKE_NANOS + Simulation.SECOND,
                () -> connections[0] > disks.size());
        assertTrue(simulation.now() - start >= HANDSHAKE_NANOS);
        assertFalse(primary.hasHeard(GroupEvents.Event.LINK_UP));
        foreign.kill();
        serve();
        awaitLink();
        checkConverged();
        close();
    }

    /** The host of the server, or the network to it, falls silent, and nobody is told. */
    void playFallingSilent() {
        serve();
        startPrimary();
        awaitLink();
        network.partition(primary.host(), foreign);
        final long start = simulation.now();
        guests.start(primary, SHORT_STAY);
        guests.await(WHILE_NANOS);
        simulation.runUntil(
                "it is left",
                SILENCE_NANOS + SILENCE_NANOS / 4 + Simulation.SECOND,
                () -> primary.hasHeard(GroupEvents.Event.LINK_DOWN));
        assertTrue(simulation.now() - start >= SILENCE_NANOS);
        network.heal(primary.host(), foreign);
        onHealed();
        checkConverged();
        close();
    }

    private void startPrimary() {
        primary.start();
        primary.execute(PrimaryGroup::start);
    }

    private void awaitLink() {
        simulation.runUntil(
                "it is linked", WHILE_NANOS, () -> primary.hasHeard(GroupEvents.Event.LINK_UP));
    }

    private void checkConverged() {
        final boolean[] isDrained = new boolean[1];
        primary.execute(group -> group.drain(() -> isDrained[0] = true));
        simulation.runUntil("the stream has drained", WHILE_NANOS, () -> isDrained[0]);
        disks.forEach(ReplicatedDisk::checkMediaEqual);
    }

    private void close() {
        primary.close();
        foreign.kill();
        guests.close();
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
                            new NbdServer(loop, exports, new ConnectionLimit(100), new Silence());
                    foreign.onStop(server::abort);
                    listen(loop, server::connect);
                });
    }

    private void listen(
            final SimulatedLoop loop, final Function<Connection, ConnectionHandler> handler) {
        loop.run(
                () -> {
                    try {
                        final IoLoop.Listener listener =
                                loop.listen(
                                        SecondarySide.STREAM,
                                        connection -> connection.open(loop, handler));
                        foreign.onStop(listener::close);
                    } catch (final IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
    }

    /** Takes no notice of anything. */
    private static final class Mute implements ConnectionHandler {
        @Override
        public void onReadable() {}

        @Override
        public void onWritable() {}

        @Override
        public void onFailure(final Throwable cause) {
            throw new AssertionError(cause);
        }
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
