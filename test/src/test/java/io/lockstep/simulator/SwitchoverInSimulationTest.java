package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Set;
import java.util.stream.LongStream;

/**
 * Two hosts that switch their roles again and again, and in every seed another story, in which
 * either is killed or loses its power in the midst of it, or the network is cut; see {@link
 * LivesScenario}. Shows I5, I10, I11 and I12 of a planned switch.
 */
final class SwitchoverInSimulationTest {
    private static final String TEST = "SwitchoverInSimulationTest";
    private static final int SEEDS = 1000;
    private static final LivesReached REACHED = new LivesReached();

    static LongStream seeds() {
        return Seeds.usually(SEEDS);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everySwitchKeepsWhatTheGuestsWereTold(final long seed) {
        Simulation.run(seed, TEST, SwitchoverInSimulationTest::play);
    }

    /** Rare stories, each of which the engine once told wrongly, or a mutant does. */
    @ParameterizedTest
    @ValueSource(longs = {109774, 1615, 20693, 29365, 5782, 16251})
    void whatWasFoundOnceIsNotFoundAgain(final long seed) {
        Simulation.run(seed, TEST, SwitchoverInSimulationTest::play);
    }

    /** A line that no story comes to is shown by none. */
    @AfterAll
    static void everyLineIsReached() {
        if (Boolean.getBoolean("lockstep.simulation.reached")) {
            System.out.println(REACHED);
        }
        if (REACHED.stories() >= SEEDS) {
            assertEquals(Set.of(), REACHED.missing(LivesLine.Stories.SWITCH), REACHED.toString());
        }
    }

    private static void play(final Simulation simulation) {
        try (LivesScenario scenario = new LivesScenario(simulation, REACHED, false, true)) {
            scenario.play();
        }
    }
}
