package io.lockstep.simulator;

import io.lockstep.engine.group.AckLevel;

import java.util.List;

/**
 * At which level the primaries of a story answer: that of the units' command line, which a story
 * begins with, and others that somebody says meanwhile.
 */
final class LivesLevels {
    private final Dice dice;
    private AckLevel ofUnits;

    LivesLevels(final Dice dice) {
        this.dice = dice;
        ofUnits = Promises.choose(dice);
    }

    /** At which one a process begins. */
    AckLevel ofUnits() {
        return ofUnits;
    }

    /** Somebody may have another one hold, at any moment of what comes. */
    void change(final Simulation simulation, final List<LivesNode> nodes) {
        if (!dice.chance(0.2)) {
            return;
        }
        final AckLevel level = Promises.chooseAny(dice);
        if (dice.chance(0.5)) {
            ofUnits = level;
        }
        simulation.scheduleAfterEvents(
                dice.between(1, 80),
                () ->
                        nodes.forEach(
                                node ->
                                        node.primary()
                                                .ifPresent(
                                                        primary ->
                                                                primary.loop()
                                                                        .execute(
                                                                                () ->
                                                                                        primary
                                                                                                .acknowledgeAt(
                                                                                                        level)))));
    }
}
