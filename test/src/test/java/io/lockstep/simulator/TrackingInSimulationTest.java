package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.stream.LongStream;

/**
 * What is known of a peer after a kill and after the loss of power: never less, never much more.
 */
final class TrackingInSimulationTest {
    private static final String TEST = "TrackingInSimulationTest";
    private static final int SEEDS = 500;
    private static int found;
    private static int losses;

    static LongStream seeds() {
        return Seeds.usually(SEEDS);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyLossOfPowerLeavesWhatDiffers(final long seed) {
        Simulation.run(
                seed,
                TEST,
                simulation -> {
                    final TrackedHost host = new TrackedHost(simulation);
                    host.play();
                    found += host.found();
                    losses += host.losses();
                });
    }

    /** Where nothing is ever known nothing is shown. */
    @AfterAll
    static void mostOftenItIsKnown() {
        if (Long.getLong(Seeds.SEED) == null) {
            assertTrue(found > losses / 2, found + " of " + losses);
        }
    }
}
