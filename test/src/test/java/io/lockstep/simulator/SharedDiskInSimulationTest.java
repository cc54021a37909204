package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.stream.LongStream;

/** One disk that both hosts see: a failover finds the last checkpoint there, whatever happens. */
final class SharedDiskInSimulationTest {
    private static final String TEST = "SharedDiskInSimulationTest";

    static LongStream seeds() {
        return Seeds.usually(1000);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyDiskReturnsToTheLastCheckpoint(final long seed) {
        Simulation.run(seed, TEST, SharedDiskInSimulationTest::play);
    }

    /** Where it isn't so, no failing seed can be repeated. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void theSameSeedGivesTheSameRun(final long seed) {
        final long hash = Simulation.run(seed, TEST, SharedDiskInSimulationTest::play);
        assertEquals(hash, Simulation.run(seed, TEST, SharedDiskInSimulationTest::play));
    }

    private static void play(final Simulation simulation) {
        try (SharedDiskScenario scenario = new SharedDiskScenario(simulation)) {
            scenario.play();
        }
    }
}
