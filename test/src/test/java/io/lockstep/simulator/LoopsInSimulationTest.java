package io.lockstep.simulator;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.stream.LongStream;

/**
 * The stories of {@link ReplicationInSimulationTest} with several disks, whose streams the
 * secondary takes on loops of their own: docs/loops.md. Whoever uses there what is another loop's,
 * and does not have the group's turn, fails the run.
 */
final class LoopsInSimulationTest {
    private static final String TEST = "LoopsInSimulationTest";

    static LongStream seeds() {
        return Seeds.usually(2000);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyDiskReturnsToTheLastCheckpoint(final long seed) {
        Simulation.run(
                seed,
                TEST,
                simulation -> {
                    try (ReplicationScenario scenario =
                            ReplicationScenario.onLoops(
                                    simulation, ReplicationTrouble.choose(simulation.dice()))) {
                        scenario.play();
                    }
                });
    }
}
