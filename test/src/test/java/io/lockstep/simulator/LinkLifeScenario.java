package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryOptions;

import java.util.ArrayList;
import java.util.List;

/**
 * A pair whose link or whose secondary disk is bad: who is dead is told from who is busy, on both
 * sides and in time, and a guest waits for neither longer than it must.
 */
final class LinkLifeScenario implements AutoCloseable {
    private static final long WHILE_NANOS = 3600 * Simulation.SECOND;
    private static final long TIMEOUT_NANOS = PeerTimeout.DEFAULT.nanos();

    /** It is looked at ten times in that time, and counts from the second look on. */
    private static final long NOTICED_NANOS = TIMEOUT_NANOS + TIMEOUT_NANOS / 4;

    private static final int LOG_LENGTH = 1 << 20;
    private static final int BUFFER_LIMIT = 4 << 20;

    /** One request behind the other: less than the log holds, and more than fit in a short cut. */
    private static final NbdGuest.Habits ONE_BY_ONE = new NbdGuest.Habits(1500, 1, 400, 400, false);

    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedNetwork network;
    private final BufferDirectories directories = new BufferDirectories();
    private final List<ReplicatedDisk> disks = new ArrayList<>();
    private final ScenarioGuests guests;
    private final SecondarySide secondary;
    private PrimarySide primary;

    LinkLifeScenario(final Simulation simulation) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        network = new SimulatedNetwork(simulation, NetworkFaults.NONE);
        guests = new ScenarioGuests(simulation, network, dice, disks);
        for (int i = dice.between(1, 2); i > 0; i--) {
            disks.add(makeDisk("disk" + i));
        }
        secondary = new SecondarySide(network, disks, directories, BUFFER_LIMIT, true, false);
    }

    private ReplicatedDisk makeDisk(final String name) {
        final long length = dice.between(1, 200_000);
        return new ReplicatedDisk(
                simulation,
                new GuestDisk(
                        simulation, new SimulatedMedium(simulation, name, length, DiskFaults.NONE)),
                new SimulatedMedium(simulation, name, length, DiskFaults.NONE),
                false);
    }

    /** Both sides notice that the other one is gone, though nobody tells them. */
    void playPartition(final boolean isBusy) {
        start(0);
        if (isBusy) {
            guests.start(primary, new NbdGuest.Habits(400, 4, 9000, 9000, false));
        }
        simulation.runFor(dice.between(0, 3 * Simulation.SECOND));
        assertTrue(secondary.status().linked());
        network.partition(primary.host(), secondary.host());
        final long start = simulation.now();
        final long[] noticed = new long[2];
        simulation.runUntil(
                "both sides have noticed",
                NOTICED_NANOS + Simulation.SECOND,
                () -> {
                    noticed[0] += noticed[0] == 0 && !primary.status().linked() ? now(start) : 0;
                    noticed[1] += noticed[1] == 0 && !secondary.status().linked() ? now(start) : 0;
                    return noticed[0] > 0 && noticed[1] > 0;
                });
        for (final long nanos : noticed) {
            // The last heartbeat came at most half a second before.
            assertTrue(nanos >= TIMEOUT_NANOS - Simulation.SECOND, "after " + nanos + " ns");
            assertTrue(nanos <= NOTICED_NANOS + Simulation.SECOND / 2, "after " + nanos + " ns");
        }
        network.heal(primary.host(), secondary.host());
        awaitLink();
        guests.await(WHILE_NANOS);
        checkConverged();
    }

    private long now(final long start) {
        return Math.max(1, simulation.now() - start);
    }

    /** Requests that take a minute are no silence: nothing is cut, or sent again. */
    void playBusy() {
        start(0);
        disks.forEach(
                disk ->
                        disk.secondaryMedium()
                                .faults(DiskFaults.NONE.slowing(0.1, 50 * Simulation.SECOND)));
        guests.start(primary, new NbdGuest.Habits(60, 8, 60_000, 9000, true));
        guests.await(WHILE_NANOS);
        checkConverged();
        assertFalse(primary.hasHeard(Event.LINK_DOWN), "the primary took it for dead");
        assertFalse(secondary.hasHeard(Event.LINK_DOWN), "the secondary took it for dead");
    }

    /**
     * The disk stands still with more under way than the secondary takes of one connection: it
     * reads no heartbeat there any more, and lives.
     */
    void playStuck() {
        start(0);
        disks.forEach(disk -> disk.secondaryMedium().faults(DiskFaults.NONE.sticking(1)));
        guests.start(primary, ONE_BY_ONE);
        guests.await(WHILE_NANOS);
        simulation.runFor(8 * TIMEOUT_NANOS);
        assertFalse(primary.hasHeard(Event.LINK_DOWN), "the primary took it for dead");
        assertFalse(secondary.hasHeard(Event.LINK_DOWN), "the secondary took it for dead");
        disks.forEach(disk -> disk.secondaryMedium().faults(DiskFaults.NONE));
        disks.forEach(disk -> disk.secondaryMedium().release());
        checkConverged();
        assertFalse(primary.hasHeard(Event.LINK_DOWN), "it was sent again");
    }

    /**
     * It attaches and answers nothing, again and again: a guest that may not be ahead of it waits
     * as long as a peer may be silent, once.
     */
    void playAttachesAndAnswersNothing() {
        start(Simulation.MILLISECOND);
        disks.forEach(disk -> disk.secondaryMedium().faults(DiskFaults.NONE.sticking(1)));
        simulation.schedule(Simulation.SECOND, this::cutAgainAndAgain);
        final long start = simulation.now();
        guests.start(primary, ONE_BY_ONE);
        guests.await(WHILE_NANOS);
        final long took = simulation.now() - start;
        assertTrue(took <= 2 * TIMEOUT_NANOS, "the guest took " + took + " ns");
        disks.forEach(disk -> disk.secondaryMedium().faults(DiskFaults.NONE));
        disks.forEach(disk -> disk.secondaryMedium().release());
        checkConverged();
    }

    private void cutAgainAndAgain() {
        if (!guests.haveGone()) {
            network.cut(primary.host(), secondary.host());
            simulation.schedule(2 * Simulation.SECOND, this::cutAgainAndAgain);
        }
    }

    /**
     * What an old connection has brought to the disk, and is stuck there, holds up what is newer on
     * the next connection; what is still on its way comes to nothing.
     */
    void playLateWrites() {
        start(0);
        disks.forEach(
                disk ->
                        disk.secondaryMedium()
                                .faults(DiskFaults.NONE.slowing(0.05, 50 * Simulation.SECOND)));
        guests.start(primary, new NbdGuest.Habits(80, 4, 9000, 9000, true));
        for (int i = dice.between(2, 6); i > 0; i--) {
            simulation.schedule(
                    dice.between(0, 60 * Simulation.SECOND),
                    () -> network.cut(primary.host(), secondary.host()));
        }
        guests.await(WHILE_NANOS);
        checkConverged();
        simulation.runFor(60 * Simulation.SECOND);
        checkConverged();
    }

    private void start(final long lagNanosMax) {
        primary =
                new PrimarySide(
                        network,
                        "primary",
                        disks,
                        new PrimaryOptions(
                                LOG_LENGTH, FullLogPolicy.BLOCK, Word.AT_FIRST, lagNanosMax),
                        dice.chance(0.5),
                        true);
        secondary.start();
        simulation.runUntil("the secondary waits", WHILE_NANOS, secondary::isRunning);
        primary.start();
        primary.execute(PrimaryGroup::start);
        awaitLink();
        simulation.observe(this::observe);
    }

    private void observe() {
        secondary.observe();
    }

    private void awaitLink() {
        simulation.runUntil(
                "it is linked",
                WHILE_NANOS,
                () -> primary.status().linked() && secondary.status().linked());
    }

    private void checkConverged() {
        final boolean[] isDrained = new boolean[1];
        primary.execute(group -> group.drain(() -> isDrained[0] = true));
        simulation.runUntil("the stream has drained", WHILE_NANOS, () -> isDrained[0]);
        disks.forEach(ReplicatedDisk::checkConverged);
        assertEquals(0, primary.status().lagBytes());
    }

    @Override
    public void close() {
        if (primary != null) {
            primary.close();
        }
        secondary.close();
        guests.close();
        directories.close();
    }
}
