package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Set;
import java.util.stream.LongStream;

/**
 * Two hosts through several lives, and in every seed another story. Shows I10 to I13; see {@link
 * LivesScenario}.
 */
final class LivesInSimulationTest {
    private static final String TEST = "LivesInSimulationTest";
    private static final int SEEDS = 2000;
    private static final int SEEDS_OF_LITTLE_ROOM = 200;
    private static final int SEEDS_SUSPENDED = 400;
    private static final LivesReached REACHED = new LivesReached();

    static LongStream seeds() {
        return Seeds.usually(SEEDS);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void everyLifeKeepsWhatTheGuestsWereTold(final long seed) {
        Simulation.run(seed, TEST, LivesInSimulationTest::play);
    }

    static LongStream seedsOfLittleRoom() {
        return Seeds.usually(SEEDS_OF_LITTLE_ROOM);
    }

    /** The same where there may be no room for all pre-images, with a spill or without. */
    @ParameterizedTest
    @MethodSource("seedsOfLittleRoom")
    void everyLifeWithLittleRoomDoesSo(final long seed) {
        Simulation.run(seed, TEST, simulation -> play(simulation, true));
    }

    static LongStream seedsSuspended() {
        return Seeds.usually(SEEDS_SUSPENDED);
    }

    /** The same where no primary goes on alone, unless somebody has said so. */
    @ParameterizedTest
    @MethodSource("seedsSuspended")
    void everyLifeThatIsSuspendedDoesSo(final long seed) {
        Simulation.run(
                seed,
                TEST,
                simulation -> {
                    try (LivesScenario scenario =
                            new LivesScenario(simulation, REACHED, seed % 4 == 0).suspending()) {
                        scenario.play();
                    }
                });
    }

    /** Rare stories, each of which the engine, or its judge, once told wrongly. */
    @ParameterizedTest
    @ValueSource(
            longs = {
                7294, 5782, 9536, 20310, 7278, 8867, 11545, 16813, 19192, 19686, 2699, 6457, 6881,
                5052, 14858, 19614, 42257, 61249, 45058, 66460, 71120, 71293, 73749, 77058, 84168,
                221593
            })
    void whatWasFoundOnceIsNotFoundAgain(final long seed) {
        Simulation.run(seed, TEST, LivesInSimulationTest::play);
    }

    /** Where it isn't so, no failing seed can be repeated. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void theSameSeedGivesTheSameRun(final long seed) {
        final long hash = Simulation.run(seed, TEST, LivesInSimulationTest::play);
        assertEquals(hash, Simulation.run(seed, TEST, LivesInSimulationTest::play));
    }

    /** A line that no story comes to is shown by none. */
    @AfterAll
    static void everyLineIsReached() {
        if (Boolean.getBoolean("lockstep.simulation.reached")) {
            System.out.println(REACHED);
        }
        if (REACHED.stories() >= SEEDS) {
            assertEquals(Set.of(), REACHED.missing(LivesLine.Stories.OTHERS), REACHED.toString());
        }
    }

    private static void play(final Simulation simulation) {
        play(simulation, false);
    }

    private static void play(final Simulation simulation, final boolean isTight) {
        try (LivesScenario scenario = new LivesScenario(simulation, REACHED, isTight)) {
            scenario.play();
        }
    }
}
