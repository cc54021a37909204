package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.stream.LongStream;

/**
 * Both sides of a replicated group, the link and their guests in one thread, and in every seed
 * another choice of what goes wrong. Shows I1 to I6 and I9; see {@link ReplicationScenario}.
 */
final class ReplicationInSimulationTest {
    private static final String TEST = "ReplicationInSimulationTest";

    static LongStream seeds() {
        return Seeds.usually(1500);
    }

    static LongStream someSeeds() {
        return Seeds.usually(3);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyDiskReturnsToTheLastCheckpoint(final long seed) {
        Simulation.run(seed, TEST, ReplicationInSimulationTest::play);
    }

    /** The same with a look at what a kill would leave after every single event. */
    @ParameterizedTest
    @MethodSource("someSeeds")
    void itDoesWheneverItIsKilled(final long seed) {
        Simulation.run(
                seed,
                TEST,
                simulation -> {
                    try (ReplicationScenario scenario =
                            new ReplicationScenario(simulation, ReplicationTrouble.NONE)) {
                        scenario.checkAfterEveryEvent();
                        scenario.play();
                    }
                });
    }

    /** Where it isn't so, no failing seed can be repeated. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void theSameSeedGivesTheSameRun(final long seed) {
        final long hash = Simulation.run(seed, TEST, ReplicationInSimulationTest::play);
        assertEquals(hash, Simulation.run(seed, TEST, ReplicationInSimulationTest::play));
    }

    private static void play(final Simulation simulation) {
        try (ReplicationScenario scenario =
                new ReplicationScenario(simulation, ReplicationTrouble.choose(simulation.dice()))) {
            scenario.play();
        }
    }
}
