package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** A primary goes on without a secondary that is away: that hears when it is there again (I11). */
final class LeftBehindTest extends HealedPair {
    @BeforeEach
    void start() throws Exception {
        fullLog = FullLogPolicy.DETACH;
        startEqualPair();
    }

    private void goOnAlone(final boolean isStopped) throws Exception {
        if (isStopped) {
            onLoop(primaryLife, () -> primary.stop(false));
        } else {
            for (int written = 0; written <= LOG_LENGTH; written += 1 << 20) {
                write(0, 4096, 1 << 20);
            }
            await(GroupEvents.Event.DETACHED);
        }
    }

    private void await(final GroupEvents.Event event) throws Exception {
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != event) {}
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoWasAwayHearsItAndDoesNotTakeOver(final boolean isStopped) throws Exception {
        killSecondary();
        goOnAlone(isStopped);
        startSecondary();
        await(GroupEvents.Event.LEFT_BEHIND);
        assertEquals(Standing.OUTDATED, secondarySelf.node().standing());
        assertTrue(primarySelf.node().record().isPeerOut());
        final ExecutionException refused =
                assertThrows(
                        ExecutionException.class,
                        () -> onLoop(secondaryLife, () -> secondary.failOver(false)));
        assertTrue(
                refused.getMessage().contains("the primary went on without this node"),
                refused.getMessage());
        write(0, 0, 4096); // and the guest goes on
        assertFalse(call(secondaryLife, () -> secondary.status().linked()));
        assertEquals(
                GroupStatus.State.RUNNING, call(secondaryLife, () -> secondary.status().state()));
    }

    /** Then it is no secondary of this primary any more. */
    @Test
    void whoHasTakenOverMeanwhileIsNotOutdated() throws Exception {
        killSecondary();
        goOnAlone(true);
        write(0, 0, 4096);
        secondarySelf.node().promote(secondarySelf.reigns().begin(2), false).join();
        startSecondary();
        String sentence = "";
        while (!sentence.contains("could not be told that it is left behind")) {
            sentence = told.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
        assertTrue(sentence.contains("split brain"), sentence);
        assertEquals(Standing.ALONE, secondarySelf.node().standing());
        assertFalse(primarySelf.node().record().isPeerOut());
    }
}
