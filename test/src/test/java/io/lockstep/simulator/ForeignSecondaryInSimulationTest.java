package io.lockstep.simulator;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.function.Consumer;
import java.util.stream.LongStream;

/** A primary whose secondary is a server of another maker; see {@link ForeignSecondaryScenario}. */
final class ForeignSecondaryInSimulationTest {
    static LongStream seeds() {
        return Seeds.usually(100);
    }

    static LongStream someSeeds() {
        return Seeds.usually(20);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void itHoldsWhatThePrimaryHolds(final long seed) {
        play(seed, ForeignSecondaryScenario::play);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void whatItDoesLateForAConnectionOfBeforeIsBehindNothingNewer(final long seed) {
        play(seed, ForeignSecondaryScenario::playLateWrites);
    }

    @ParameterizedTest
    @MethodSource("someSeeds")
    void aPeerThatSaysNothingIsWaitedFor(final long seed) {
        play(seed, ForeignSecondaryScenario::playMuteAtFirst);
    }

    @ParameterizedTest
    @MethodSource("someSeeds")
    void aPeerThatFallsSilentIsLeftAndFoundAgain(final long seed) {
        play(seed, ForeignSecondaryScenario::playFallingSilent);
    }

    private static void play(final long seed, final Consumer<ForeignSecondaryScenario> story) {
        Simulation.run(
                seed,
                "ForeignSecondaryInSimulationTest",
                simulation -> story.accept(new ForeignSecondaryScenario(simulation)));
    }
}
