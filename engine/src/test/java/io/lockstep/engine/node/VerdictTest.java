package io.lockstep.engine.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.List;
import java.util.Optional;

/** Who may take over, and why the others may not (I11). */
final class VerdictTest {
    private static final long SILENCE_NANOS = 2_000_000_000;

    @Test
    void aSecondaryWithACheckpointMayTakeOverFromASilentPrimary() {
        for (final Optional<Long> heard :
                List.of(
                        Optional.<Long>empty(),
                        Optional.of(SILENCE_NANOS + 1),
                        Optional.of(Long.MAX_VALUE))) {
            final Verdict verdict = Verdict.of(Standing.FOLLOWING, heard, SILENCE_NANOS);
            assertTrue(verdict.isAllowed());
            assertEquals("", verdict.reason());
        }
    }

    @Test
    void notFromOneThatIsAlive() {
        for (final long heard : new long[] {0, SILENCE_NANOS}) {
            assertRefused(
                    Verdict.of(Standing.FOLLOWING, Optional.of(heard), SILENCE_NANOS),
                    "linked and alive");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FRESH, no primary has ever been attached",
        "INCONSISTENT, between two checkpoints",
        "OUTDATED, went on without this node",
        "REIGNING, a primary already",
        "ALONE, a primary already"
    })
    void nobodyElse(final Standing standing, final String reason) {
        assertRefused(Verdict.of(standing, Optional.empty(), SILENCE_NANOS), reason);
    }

    /** There is one disk: no other one to take, nor a copy of it. */
    @ParameterizedTest
    @CsvSource({"INCONSISTENT, between two checkpoints", "OUTDATED, went on without this node"})
    void ofSharedDisksThereIsNoCopyToTake(final Standing standing, final String reason) {
        final Verdict verdict = Verdict.ofShared(standing).orElseThrow();
        assertRefused(verdict, reason);
        assertTrue(verdict.reason().contains("start the primary again"), verdict::reason);
        assertTrue(verdict.reason().contains("lockstep failover --force"), verdict::reason);
    }

    /** Of the others nothing else is true, and none is allowed by it. */
    @ParameterizedTest
    @EnumSource(
            value = Standing.class,
            mode = EnumSource.Mode.EXCLUDE,
            names = {"INCONSISTENT", "OUTDATED"})
    void elsewhereItMakesNoDifferenceThatDisksAreShared(final Standing standing) {
        assertTrue(Verdict.ofShared(standing).isEmpty());
    }

    private static void assertRefused(final Verdict verdict, final String reason) {
        assertEquals(false, verdict.isAllowed());
        assertTrue(verdict.reason().contains(reason), verdict.reason());
        assertTrue(verdict.reason().matches(".+[;:] .+"), "no way out: " + verdict.reason());
    }

    /** The verdict and the table of what can happen agree. */
    @ParameterizedTest
    @EnumSource(Standing.class)
    void whoMayTakeOverCan(final Standing standing) {
        assertEquals(
                Transition.of(standing, Happening.PROMOTE).isPresent(),
                Verdict.of(standing, Optional.empty(), SILENCE_NANOS).isAllowed());
    }
}
