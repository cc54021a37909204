package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * Two hosts that see the same disks, through several lives, and in every seed another story; see
 * {@link SharedLivesScenario}. Shows I1, I3, I4, I5, I10 and I11 of a shared disk over failover,
 * failback, planned switches and the loss of power.
 */
final class SharedLivesInSimulationTest {
    private static final String TEST = "SharedLivesInSimulationTest";
    private static final int SEEDS = 600;
    private static final LivesReached REACHED = new LivesReached();

    static LongStream seeds() {
        return Seeds.usually(SEEDS);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyLifeFindsTheLastCheckpoint(final long seed) {
        Simulation.run(seed, TEST, SharedLivesInSimulationTest::play);
    }

    /** Rare stories, each of which the engine once told wrongly. */
    @ParameterizedTest
    @ValueSource(longs = {341, 2123})
    void whatWasFoundOnceIsNotFoundAgain(final long seed) {
        Simulation.run(seed, TEST, SharedLivesInSimulationTest::play);
    }

    /** Where it isn't so, no failing seed can be repeated. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void theSameSeedGivesTheSameRun(final long seed) {
        final long hash = Simulation.run(seed, TEST, SharedLivesInSimulationTest::play);
        assertEquals(hash, Simulation.run(seed, TEST, SharedLivesInSimulationTest::play));
    }

    /** What no story comes to is shown by none. */
    @AfterAll
    static void everyLineIsReached() {
        if (Boolean.getBoolean("lockstep.simulation.reached")) {
            System.out.println(REACHED + " " + REACHED.promises());
        }
        if (REACHED.stories() >= SEEDS) {
            assertEquals(Set.of(), REACHED.missing(LivesLine.Stories.SHARED), REACHED.toString());
            assertEquals(Set.of(), REACHED.missing(LivesLine.Stories.SWITCH), REACHED.toString());
            for (final String what :
                    List.of(
                            "flushes at flush",
                            "flushes at flush,durable",
                            "changes at write",
                            "changes at write,durable",
                            "failovers",
                            "stable storage")) {
                assertTrue(REACHED.promises().hasSeen(what), what + ": " + REACHED.promises());
            }
        }
    }

    private static void play(final Simulation simulation) {
        try (SharedLivesScenario scenario = new SharedLivesScenario(simulation, REACHED)) {
            if (simulation.seed() % 3 == 0) {
                scenario.chooseLevels();
            }
            scenario.play();
        }
    }
}
