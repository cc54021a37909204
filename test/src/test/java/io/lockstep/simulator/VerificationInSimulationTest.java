package io.lockstep.simulator;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.stream.LongStream;

/** What differs is found, and nothing else; see {@link VerificationScenario}. */
final class VerificationInSimulationTest {
    static LongStream seeds() {
        return Seeds.usually(12);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void whatIsRottenIsFoundAndNothingElse(final long seed) {
        Simulation.run(
                seed,
                "VerificationInSimulationTest",
                simulation -> {
                    try (VerificationScenario scenario = new VerificationScenario(simulation)) {
                        scenario.play();
                    }
                });
    }
}
