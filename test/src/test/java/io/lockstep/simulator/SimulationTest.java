package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.IoLoop;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;

/** The clock, the queue of events, and what a failing run says. */
final class SimulationTest {
    private final Simulation simulation = new Simulation(7);

    @Test
    void eventsHappenInTheOrderOfTheirTimeAndThenOfTheirCalls() {
        final List<String> happened = new ArrayList<>();
        simulation.schedule(20, () -> happened.add("late"));
        simulation.schedule(10, () -> happened.add("first"));
        simulation.schedule(10, () -> happened.add("second"));
        final IoLoop.Timer cancelled = simulation.schedule(15, () -> happened.add("cancelled"));
        cancelled.cancel();
        simulation.runUntilIdle();
        assertEquals(List.of("first", "second", "late"), happened);
        assertEquals(20, simulation.now());
    }

    @Test
    void somethingHappensAfterSoManyEvents() {
        final List<String> happened = new ArrayList<>();
        simulation.scheduleAfterEvents(2, () -> happened.add("now"));
        for (int i = 0; i < 3; i++) {
            simulation.schedule(1, () -> happened.add("event"));
        }
        simulation.runUntilIdle();
        assertEquals(List.of("event", "event", "now", "event"), happened);
    }

    @Test
    void runsForATimeAndNoLonger() {
        final List<Long> times = new ArrayList<>();
        simulation.schedule(10, () -> times.add(simulation.now()));
        simulation.schedule(11, () -> times.add(simulation.now()));
        simulation.runFor(10);
        assertEquals(List.of(10L), times);
        assertEquals(10, simulation.now());
    }

    @Test
    void saysWhatItWaitedForInVain() {
        simulation.schedule(10, () -> {});
        final AssertionError early =
                assertThrows(
                        AssertionError.class,
                        () -> simulation.runUntil("the moon is full", 5, () -> false));
        assertTrue(early.getMessage().contains("time is up"), early.getMessage());
        final AssertionError idle =
                assertThrows(
                        AssertionError.class,
                        () -> simulation.runUntil("the moon is full", 50, () -> false));
        assertTrue(idle.getMessage().contains("the moon is full"), idle.getMessage());
    }

    @Test
    void aFailureNamesTheSeedTheLastEventsAndTheCommand() {
        final SimulationFailure failure =
                assertThrows(
                        SimulationFailure.class,
                        () ->
                                Simulation.run(
                                        42,
                                        "SomeTest",
                                        world -> {
                                            world.eventsMax(100);
                                            forEver(world);
                                            world.runUntilIdle();
                                        }));
        assertTrue(failure.getMessage().contains("more than 100 events"), failure.getMessage());
        assertTrue(failure.getMessage().contains("seed 42"), failure.getMessage());
        assertTrue(
                failure.getMessage().contains("somebody goes round (99, 0)"), failure.getMessage());
        assertTrue(
                failure.getMessage().contains("-Dtest='SomeTest' -Dlockstep.simulation.seed=42"));
    }

    private static void forEver(final Simulation world) {
        world.schedule(
                1,
                () -> {
                    world.trace("somebody", "goes round", world.now(), 0);
                    forEver(world);
                });
    }

    @Test
    void whatALoopThrowsEndsTheRun() {
        final SimulatedHost host =
                new SimulatedHost(new SimulatedNetwork(simulation, NetworkFaults.NONE), "host");
        host.loop("loop")
                .execute(
                        () -> {
                            throw new IllegalStateException("oops");
                        });
        final AssertionError failure = assertThrows(AssertionError.class, simulation::runUntilIdle);
        assertTrue(failure.getMessage().contains("oops"), failure.getMessage());
    }

    @Test
    void tasksOfALoopRunInTheirOrderAndNothingAfterItsProcessWasKilled() {
        final SimulatedHost host =
                new SimulatedHost(new SimulatedNetwork(simulation, NetworkFaults.NONE), "host");
        final SimulatedLoop loop = host.loop("loop");
        final List<Integer> ran = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            final int task = i;
            loop.execute(() -> ran.add(task));
        }
        loop.schedule(Simulation.SECOND, () -> ran.add(99));
        simulation.runFor(Simulation.MILLISECOND);
        host.kill();
        simulation.runUntilIdle();
        assertEquals(List.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), ran);
    }

    @Test
    void aLoopThatTouchesWhatBelongsToAnotherIsFound() {
        final SimulatedHost host =
                new SimulatedHost(new SimulatedNetwork(simulation, NetworkFaults.NONE), "host");
        final SimulatedLoop guest = host.loop("guest");
        final SimulatedLoop link = host.loop("link");
        guest.execute(() -> link.schedule(0, () -> {}));
        final AssertionError failure = assertThrows(AssertionError.class, simulation::runUntilIdle);
        assertTrue(
                failure.getMessage().contains("host/guest called schedule"), failure.getMessage());
    }
}
