package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;

/**
 * Stories of two nodes that go different ways, and of which one gives its own up, again and again:
 * what is overwritten is what somebody has said may be, until then it is there, and the pair is
 * equal in the end.
 */
final class SplitBrainInSimulationTest {
    private static final String TEST = "SplitBrainInSimulationTest";
    private static final int SEEDS = 500;
    private static final LivesReached REACHED = new LivesReached();
    private static final AtomicInteger RESOLVED = new AtomicInteger();
    private static final AtomicInteger WENT_BACK = new AtomicInteger();

    static LongStream seeds() {
        return Seeds.usually(SEEDS);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void whatIsGivenUpIsWhatWasSaid(final long seed) {
        Simulation.run(seed, TEST, SplitBrainInSimulationTest::play);
    }

    /** What no story comes to is shown by none. */
    @AfterAll
    static void waysAreGivenUp() {
        if (Boolean.getBoolean("lockstep.simulation.reached")) {
            System.out.println(RESOLVED + " given up, " + WENT_BACK + " times gone back");
        }
        if (REACHED.stories() >= SEEDS) {
            assertTrue(RESOLVED.get() > SEEDS / 20, RESOLVED + " ways were given up");
            assertTrue(WENT_BACK.get() > SEEDS / 50, WENT_BACK + " times somebody went back");
        }
    }

    private static void play(final Simulation simulation) {
        try (LivesScenario scenario = new LivesScenario(simulation, REACHED, false, true, true)) {
            scenario.play();
            RESOLVED.addAndGet(scenario.resolved().getFirst());
            WENT_BACK.addAndGet(scenario.resolved().getLast());
        }
    }
}
