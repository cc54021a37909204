package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.VerificationStatus;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** The disks of a pair that should be equal are compared while the guest goes on. */
final class VerificationTest extends HealedPair {
    private static final int PIECE = 64 << 10;

    @Test
    void equalDisksAreFoundEqualWhileTheGuestWrites() throws Exception {
        startEqualPair();
        begin();
        for (int i = 0; i < 200; i++) {
            write(random.nextInt(2), random.nextInt(LENGTH - 9000), 1 + random.nextInt(9000));
        }
        final VerificationStatus status = awaitEnd();
        assertEquals(Job.State.COMPLETED, status.state(), status.ending());
        assertEquals(2L * LENGTH, status.compared());
        assertEquals(List.of(), status.first());
        assertEquals(NAMES, status.disks());
        checkpointsWork();
    }

    @Test
    void whatChangedBehindTheSecondarysBackIsFoundAndMended() throws Exception {
        startEqualPair();
        tear("secondary-vda", 1 << 20, 100);
        tear("secondary-vdb", LENGTH - 10, 10);
        final long writes = writtenThere();
        begin();
        final VerificationStatus status = awaitEnd();
        assertEquals(
                List.of(
                        new VerificationStatus.Piece("vda", 1 << 20, PIECE),
                        new VerificationStatus.Piece(
                                "vdb", LENGTH / PIECE * PIECE, LENGTH % PIECE)),
                status.first());
        assertEquals(2, status.pieces());
        assertEquals(PIECE + LENGTH % PIECE, status.differing());
        checkpointsWork(); // and compares the disks
        final long sent = writtenThere() - writes - 40_000;
        assertEquals(status.differing(), sent, "only what differs is sent");
        begin();
        assertEquals(0, awaitEnd().pieces());
    }

    @Test
    void checkpointsGoOnMeanwhile() throws Exception {
        startEqualPair();
        begin();
        pause();
        final long before = call(primaryLife, () -> primary.status().committedEpoch());
        checkpointsWork();
        assertEquals(before + 1, call(primaryLife, () -> primary.status().committedEpoch()));
        resume();
        assertEquals(0, awaitEnd().pieces());
    }

    @Test
    void itGoesOnBehindACut() throws Exception {
        startEqualPair();
        tear("secondary-vdb", 1 << 20, 4000);
        call(primaryLife, () -> speed(4 << 20));
        begin();
        call(primaryLife, () -> speed(4 << 20));
        while (status().compared() == 0) {
            Thread.onSpinWait();
        }
        events.clear();
        call(
                primaryLife,
                () -> {
                    primary.sever("the test cuts it");
                    return null;
                });
        awaitLinked();
        call(primaryLife, () -> speed(0));
        final VerificationStatus status = awaitEnd();
        assertEquals(Job.State.COMPLETED, status.state(), status.ending());
        assertEquals(2L * LENGTH, status.compared());
        assertEquals(List.of(new VerificationStatus.Piece("vdb", 1 << 20, PIECE)), status.first());
        checkpointsWork();
    }

    @Test
    void aSynchronisationTakesItsPlaceAndWhatItHasFound() throws Exception {
        startEqualPair();
        begin();
        pause();
        killSecondary();
        removeBuffers();
        startSecondary();
        awaitEqual();
        final VerificationStatus status = status();
        assertEquals(Job.State.FAILED, status.state());
        assertTrue(status.ending().contains("synchronised instead"), status.ending());
        checkpointsWork();
    }

    @Test
    void oneThatIsCancelledCanBeBegunAnew() throws Exception {
        startEqualPair();
        begin();
        pause();
        refused("a verification is under way already");
        call(
                primaryLife,
                () -> {
                    primary.healing().jobs().getFirst().cancel();
                    return null;
                });
        assertEquals(Job.State.CANCELLED, status().state());
        begin();
        assertEquals(Job.State.COMPLETED, awaitEnd().state());
    }

    @Test
    void withoutASecondaryNothingIsCompared() throws Exception {
        startEqualPair();
        killSecondary();
        while (call(primaryLife, () -> primary.status().linked())) {
            Thread.onSpinWait();
        }
        refused("nothing was compared; see that the secondary runs");
    }

    @Test
    void aSecondaryDoesNotCompare() throws Exception {
        startEqualPair();
        final ExecutionException refusal =
                assertThrows(
                        ExecutionException.class,
                        () -> onLoop(secondaryLife, () -> secondary.healing().verify()));
        assertTrue(refusal.getMessage().contains("this is no primary"), refusal.getMessage());
    }

    @Test
    void whileTheSecondaryIsMadeEqualNothingIsCompared() throws Exception {
        fullLog = FullLogPolicy.AHEAD;
        startEqualPair();
        killSecondary();
        for (int i = 0; i < 5; i++) {
            write(i % 2, 0, LENGTH - i); // more than the log holds
        }
        refused("is being made equal");
    }

    // ---- What is done, and looked at.

    private void begin() throws Exception {
        onLoop(primaryLife, () -> primary.healing().verify());
    }

    private void pause() throws Exception {
        call(
                primaryLife,
                () -> {
                    primary.healing().jobs().forEach(Job::pause);
                    return null;
                });
    }

    private void resume() throws Exception {
        call(
                primaryLife,
                () -> {
                    primary.healing().jobs().forEach(Job::resume);
                    return null;
                });
    }

    private Void speed(final long bytes) {
        primary.healing().jobs().forEach(job -> job.speed(bytes));
        return null;
    }

    private VerificationStatus status() throws Exception {
        return call(primaryLife, () -> primary.healing().verification().orElseThrow());
    }

    private VerificationStatus awaitEnd() throws Exception {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        VerificationStatus status = status();
        while (status.isUnderWay()) {
            assertFalse(System.nanoTime() > deadline, "it has no end: " + status);
            status = status();
        }
        return status;
    }

    private void refused(final String sentence) {
        final ExecutionException refusal =
                assertThrows(
                        ExecutionException.class,
                        () -> onLoop(primaryLife, () -> primary.healing().verify()));
        assertTrue(refusal.getMessage().contains(sentence), refusal.getMessage());
    }
}
