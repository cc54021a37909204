package io.lockstep.simulator;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.stream.LongStream;

/** A primary whose secondary is a server of another maker; see {@link ForeignSecondaryScenario}. */
final class ForeignSecondaryInSimulationTest {
    static LongStream seeds() {
        return Seeds.usually(100);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void itHoldsWhatThePrimaryHolds(final long seed) {
        Simulation.run(
                seed,
                "ForeignSecondaryInSimulationTest",
                simulation -> new ForeignSecondaryScenario(simulation).play());
    }
}
