package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.SynchronisationStatus;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;

/** A synchronisation is held up, ended and begun again by hand. */
final class SynchronisationJobTest extends HealedPair {
    private final List<Job.State> states = new ArrayList<>();

    /** What is done as soon as it has begun to send. */
    private Runnable whenRunning = () -> {};

    @Test
    void itsLifeIsTold() throws Exception {
        startPair();
        awaitEqual();
        assertEquals(
                List.of(Job.State.CREATED, Job.State.RUNNING, Job.State.READY, Job.State.COMPLETED),
                call(primaryLife, () -> List.copyOf(states)));
        assertEquals(List.of(), jobs());
    }

    @Test
    void oneThatIsPausedSendsNothingAndTheGuestGoesOn() throws Exception {
        whenRunning = () -> job().pause();
        startPair();
        awaitPaused();
        final long left = status().orElseThrow().left();
        assertTrue(left > 0);
        write(0, 2 << 20, 70_000);
        write(1, 0, 5000);
        assertTrue(status().orElseThrow().isPaused());
        assertTrue(status().orElseThrow().left() >= left - 80_000);
        assertRefused("is being made equal");
        call(
                primaryLife,
                () -> {
                    job().resume();
                    return null;
                });
        awaitEqual();
        checkpointsWork();
    }

    @Test
    void oneThatIsCancelledBeginsAgainWhenItIsWanted() throws Exception {
        whenRunning = () -> job().cancel();
        startPair();
        awaitCancelled();
        assertEquals(List.of(), jobs());
        write(0, 2 << 20, 70_000);
        write(1, 0, 5000);
        assertRefused("was cancelled");
        whenRunning = () -> {};
        onLoop(primaryLife, () -> primary.healing().synchronise());
        awaitEqual();
        checkpointsWork();
    }

    @Test
    void oneThatIsCancelledBeginsAgainWhenTheSecondaryComesAnew() throws Exception {
        whenRunning = () -> job().cancel();
        startPair();
        awaitCancelled();
        write(0, 2 << 20, 70_000);
        whenRunning = () -> {};
        call(
                primaryLife,
                () -> {
                    primary.sever("the test cuts it");
                    return null;
                });
        awaitEqual();
        checkpointsWork();
    }

    @Test
    void theSecondaryKeepsItsCheckpointWhereOneIsCancelled() throws Exception {
        startPair();
        awaitEqual();
        checkpointsWork();
        final long epoch = call(secondaryLife, () -> secondary.status().committedEpoch());
        killSecondary();
        removeBuffers();
        whenRunning = () -> job().cancel();
        startSecondary();
        awaitCancelled();
        write(0, 2 << 20, 70_000);
        assertEquals(epoch, call(secondaryLife, () -> secondary.status().committedEpoch()));
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (call(secondaryLife, () -> secondary.status().state()) == GroupStatus.State.MERGING) {
            Thread.onSpinWait();
        }
    }

    @Test
    void nothingIsBegunAgainThatWasNotCancelled() throws Exception {
        startPair();
        awaitEqual();
        final ExecutionException refusal =
                assertThrows(
                        ExecutionException.class,
                        () -> onLoop(primaryLife, () -> primary.healing().synchronise()));
        assertTrue(refusal.getMessage().contains("no synchronisation was cancelled"));
    }

    // ---- What is done, and looked at.

    private void startPair() throws Exception {
        onJob =
                report -> {
                    final boolean hasBegun =
                            report.state() == Job.State.RUNNING
                                    && states.getLast() == Job.State.CREATED;
                    states.add(report.state());
                    if (hasBegun) {
                        whenRunning.run();
                    }
                };
        fill("primary");
        startSecondary();
        startPrimary();
    }

    private Job job() {
        return primary.healing().jobs().getFirst();
    }

    private List<Job> jobs() throws Exception {
        return call(primaryLife, () -> primary.healing().jobs());
    }

    private Optional<SynchronisationStatus> status() throws Exception {
        return call(primaryLife, () -> primary.healing().synchronisation());
    }

    private void awaitPaused() throws Exception {
        while (!status().map(SynchronisationStatus::isPaused).orElse(false)) {
            Thread.onSpinWait();
        }
    }

    private void awaitCancelled() throws Exception {
        while (!status().filter(one -> one.state() == Job.State.CANCELLED).isPresent()) {
            Thread.onSpinWait();
        }
    }

    private void assertRefused(final String sentence) {
        final ExecutionException refusal =
                assertThrows(
                        ExecutionException.class,
                        () -> onLoop(primaryLife, () -> primary.checkpoint()));
        assertTrue(refusal.getMessage().contains(sentence), refusal.getMessage());
    }
}
