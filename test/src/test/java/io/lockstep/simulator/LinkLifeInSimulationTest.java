package io.lockstep.simulator;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.function.Consumer;
import java.util.stream.LongStream;

/** Who is gone, and who is merely busy; see {@link LinkLifeScenario}. */
final class LinkLifeInSimulationTest {
    static LongStream seeds() {
        return Seeds.usually(20);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void aPeerThatIsPartedIsNoticedOnBothSides(final long seed) {
        play(seed, scenario -> scenario.playPartition(true));
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void itIsWhereNothingIsUnderWay(final long seed) {
        play(seed, scenario -> scenario.playPartition(false));
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void aBusySecondaryIsNotTakenForADeadOne(final long seed) {
        play(seed, LinkLifeScenario::playBusy);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void aSecondaryWhoseDiskStandsStillIsAliveAllTheSame(final long seed) {
        play(seed, LinkLifeScenario::playStuck);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void onceTheGuestWaitsForASecondaryThatAnswersNothing(final long seed) {
        play(seed, LinkLifeScenario::playAttachesAndAnswersNothing);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void whatAConnectionOfBeforeBringsLateIsBehindNothingNewer(final long seed) {
        play(seed, LinkLifeScenario::playLateWrites);
    }

    private static void play(final long seed, final Consumer<LinkLifeScenario> story) {
        Simulation.run(
                seed,
                "LinkLifeInSimulationTest",
                simulation -> {
                    try (LinkLifeScenario scenario = new LinkLifeScenario(simulation)) {
                        story.accept(scenario);
                    }
                });
    }
}
