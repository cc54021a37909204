package io.lockstep.simulator;

import java.util.ArrayList;
import java.util.List;

/** The guests of a scenario's primary, on a host of their own, each on one of the disks. */
final class ScenarioGuests implements AutoCloseable {
    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedHost host;
    private final List<ReplicatedDisk> disks;
    private final List<NbdGuest> guests = new ArrayList<>();

    /**
     * None yet.
     *
     * @param dice the scenario's, which choose the disks
     */
    ScenarioGuests(
            final Simulation simulation,
            final SimulatedNetwork network,
            final Dice dice,
            final List<ReplicatedDisk> disks) {
        this.simulation = simulation;
        this.dice = dice;
        this.disks = disks;
        host = new SimulatedHost(network, "guests");
    }

    /** One more begins. */
    void start(final PrimarySide primary, final NbdGuest.Habits habits) {
        final NbdGuest guest =
                new NbdGuest(
                        host.loop("guest" + guests.size()),
                        primary.guestEndpoint(),
                        disks.get(dice.between(0, disks.size() - 1)).primary(),
                        habits);
        guests.add(guest);
        guest.start();
    }

    /** Whether all have been served. */
    boolean haveGone() {
        return guests.stream().allMatch(NbdGuest::isGone);
    }

    /** Until all have been served; fails where that takes too long. */
    void await(final long nanosMax) {
        simulation.runUntil("the guests are served", nanosMax, this::haveGone);
    }

    @Override
    public void close() {
        guests.forEach(NbdGuest::close);
    }
}
