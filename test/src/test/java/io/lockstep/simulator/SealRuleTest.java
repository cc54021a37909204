package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * How an epoch would end across loops that each have a log, before there is a line of it: the rule
 * holds in every order, and what leaves a part of it out does not. See {@link SealRule}.
 */
final class SealRuleTest {
    private static final int SEEDS = 2000;

    @Test
    void whatIsAnsweredBeforeAWriteBeginsIsInNoLaterEpoch() {
        final long[] held = new long[1];
        Seeds.usually(SEEDS)
                .forEach(
                        seed -> {
                            try {
                                held[0] += play(seed, SealRule.Variant.RULE);
                            } catch (final AssertionError wrong) {
                                throw new AssertionError("seed " + seed + ": " + wrong, wrong);
                            }
                        });
        assertTrue(held[0] > 0, "no answer was ever held back");
    }

    @ParameterizedTest
    @EnumSource(value = SealRule.Variant.class, mode = EnumSource.Mode.EXCLUDE, names = "RULE")
    void itIsNotWithoutAnyPartOfTheRule(final SealRule.Variant variant) {
        assertTrue(
                Seeds.usually(SEEDS).anyMatch(seed -> isFoundOut(seed, variant)),
                "nobody notices " + variant);
    }

    private static boolean isFoundOut(final long seed, final SealRule.Variant variant) {
        try {
            play(seed, variant);
            return false;
        } catch (final AssertionError wrong) {
            return true;
        }
    }

    private static int play(final long seed, final SealRule.Variant variant) {
        final SealRule model = new SealRule(new Dice(seed), variant);
        model.play();
        return model.heldCount();
    }
}
