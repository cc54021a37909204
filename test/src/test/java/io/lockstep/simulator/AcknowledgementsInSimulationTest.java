package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;

/**
 * Primaries that answer their guests at a level that a seed chooses, and that changes now and then:
 * what was acknowledged survives. See {@link Promises}.
 */
final class AcknowledgementsInSimulationTest {
    private static final String TEST = "AcknowledgementsInSimulationTest";
    private static final int SEEDS = 800;
    private static final int SEEDS_OF_PAIRS = 300;
    private static final LivesReached REACHED = new LivesReached();

    static LongStream seeds() {
        return Seeds.usually(SEEDS);
    }

    /** Through several lives. */
    @ParameterizedTest
    @MethodSource("seeds")
    void everyLifeHasWhatWasAcknowledged(final long seed) {
        Simulation.run(seed, TEST, AcknowledgementsInSimulationTest::playLives);
    }

    static LongStream seedsOfPairs() {
        return Seeds.usually(SEEDS_OF_PAIRS);
    }

    /** Of one life, over the wire, with disks and networks that fail. */
    @ParameterizedTest
    @MethodSource("seedsOfPairs")
    void everyPairHasWhatWasAcknowledged(final long seed) {
        Simulation.run(seed, TEST, AcknowledgementsInSimulationTest::playPair);
    }

    /** Rare stories, each of which the engine, or its judge, once told wrongly. */
    @ParameterizedTest
    @ValueSource(longs = {354, 1339, 1735, 3068, 63140, 303428, 902921, 814524, 901135, 1101471})
    void whatWasFoundOnceIsNotFoundAgain(final long seed) {
        Simulation.run(seed, TEST, AcknowledgementsInSimulationTest::playLives);
    }

    /** The same of one life. */
    @ParameterizedTest
    @ValueSource(longs = {304365, 602530, 628265, 722228, 745578, 806095, 905197, 905612, 1101493})
    void whatWasFoundOnceInAPairIsNotFoundAgain(final long seed) {
        Simulation.run(seed, TEST, AcknowledgementsInSimulationTest::playPair);
    }

    /** Where it isn't so, no failing seed can be repeated. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void theSameSeedGivesTheSameRun(final long seed) {
        final long hash = Simulation.run(seed, TEST, AcknowledgementsInSimulationTest::playLives);
        assertEquals(hash, Simulation.run(seed, TEST, AcknowledgementsInSimulationTest::playLives));
    }

    /** What nobody promises is kept easily. */
    @AfterAll
    static void everyPromiseIsMade() {
        if (Boolean.getBoolean("lockstep.simulation.reached")) {
            System.out.println(REACHED.promises());
        }
        if (REACHED.stories() >= SEEDS) {
            for (final String what :
                    List.of(
                            "flushes at flush",
                            "flushes at flush,durable",
                            "flushes at write",
                            "flushes at write,durable",
                            "changes at write",
                            "changes at write,durable",
                            "answers alone",
                            "failovers",
                            "stable storage")) {
                assertTrue(REACHED.promises().hasSeen(what), what + ": " + REACHED.promises());
            }
        }
    }

    static void playPair(final Simulation simulation) {
        try (ReplicationScenario scenario =
                new ReplicationScenario(
                        simulation,
                        ReplicationTrouble.choose(simulation.dice()),
                        Optional.of(REACHED.promises()))) {
            scenario.play();
        }
    }

    static PromiseCounts counts() {
        return REACHED.promises();
    }

    static void playLives(final Simulation simulation) {
        final Dice dice = simulation.dice().split();
        try (LivesScenario scenario =
                new LivesScenario(simulation, REACHED, dice.chance(0.1), dice.chance(0.2))) {
            scenario.chooseLevels();
            scenario.play();
        }
    }
}
