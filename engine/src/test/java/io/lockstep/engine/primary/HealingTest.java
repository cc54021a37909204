package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.tracking.Tracking;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Two nodes that met again, and are not equal, become so, and no more is sent than has to be. */
final class HealingTest extends HealedPair {
    @Test
    void anEmptySecondaryGetsTheDataAndNoHoles() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        assertEquals(Standing.FOLLOWING, secondarySelf.node().standing());
        assertEquals(Standing.REIGNING, primarySelf.node().standing());
        assertTrue(blocksOf("secondary-vda") <= blocksOf("primary-vda") + 16, "holes were filled");
        checkpointsWork();
    }

    @Test
    void aSecondaryThatLostItsBuffersGetsWhatItMayLack() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        killSecondary();
        write(0, 3 << 20, 100_000);
        removeBuffers();
        tear("secondary-vda", 3 << 20, 50_000); // the host lost what was not flushed
        startSecondary();
        final long sent = awaitEqual();
        assertEquals(Standing.FOLLOWING, secondarySelf.node().standing());
        assertTrue(sent < LENGTH, sent + " bytes were sent where few were changed");
        checkpointsWork();
    }

    @Test
    void aPrimaryThatWasKilledSendsWhatItNoted() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        killSecondary(); // so that it lacks that, and the notes alone know
        write(1, 0, 70_000);
        killPrimary();
        startSecondary();
        startPrimary();
        final long sent = awaitEqual();
        assertTrue(sent < LENGTH, sent + " bytes were sent where few were changed");
        checkpointsWork();
    }

    @Test
    void whileItIsMadeEqualItsLastCheckpointStays() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        final byte[] checkpoint = content.getFirst().clone();
        final long before = call(secondaryLife, () -> secondary.status().committedEpoch());
        killSecondary();
        write(0, 0, LENGTH / 2);
        killPrimary();
        // The link dies behind the first bytes of the synchronisation.
        startSecondary();
        startPrimary();
        while (call(secondaryLife, () -> secondary.status().disks().getFirst().writes()) < 2) {
            Thread.onSpinWait();
        }
        killPrimary();
        final boolean wasDone =
                call(secondaryLife, () -> secondary.status().committedEpoch()) > before;
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (call(secondaryLife, () -> secondary.status().state()) == GroupStatus.State.MERGING) {
            Thread.onSpinWait();
        }
        final byte[] found = Files.readAllBytes(folder.resolve("secondary-vda"));
        assertArrayEquals(wasDone ? content.getFirst() : checkpoint, found);
    }

    @Test
    void whatNobodyNotedIsFoundByComparing() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        killPrimary();
        tracking = Tracking.inMemory(List.of((long) LENGTH, (long) LENGTH)); // as after a reboot
        tear("secondary-vda", 1 << 20, 100);
        tear("secondary-vdb", LENGTH - 10, 10);
        final long before = writtenThere();
        startPrimary();
        for (int i = 0; i < 30; i++) {
            write(i % 2, i * 100_000, 5000);
        }
        assertTrue(awaitEqual() > LENGTH, "all is compared");
        final long sent = writtenThere() - before;
        assertTrue(sent >= 2 * 65536 && sent < 2 << 20, sent + " bytes were sent");
        checkpointsWork();
    }

    @Test
    void theFormerPrimaryIsMadeEqualToTheOneThatTookOver() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        final byte[] checkpoint = content.getFirst().clone();
        write(0, 2 << 20, 50_000); // the tail
        drain();
        killPrimary();
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (call(secondaryLife, () -> secondary.status().state()) != GroupStatus.State.ALONE) {
            Thread.onSpinWait();
        }
        System.arraycopy(checkpoint, 0, content.getFirst(), 0, LENGTH);
        writeGuest(secondaryLife, secondary.guestExports().get(1).disk(), 1, 5 << 20, 30_000);
        killSecondary();

        exchangeHosts();
        isFormerPrimary = true;
        startSecondary();
        startPrimary();
        final long sent = awaitEqual();
        assertTrue(sent < 1 << 20, sent + " bytes were sent where few were changed");
        assertEquals(Standing.FOLLOWING, secondarySelf.node().standing());
        isFormerPrimary = false;
        checkpointsWork();
    }

    /** Who was the one is the other. */
    private void exchangeHosts() throws IOException {
        for (final String name : NAMES) {
            final Path spare = folder.resolve("spare");
            Files.move(path("primary", name), spare);
            Files.move(path("secondary", name), path("primary", name));
            Files.move(spare, path("secondary", name));
        }
        final Self self = primarySelf;
        primarySelf = secondarySelf;
        secondarySelf = self;
        final Tracking noted = tracking;
        tracking = trackingThere;
        trackingThere = noted;
    }

    /** Both were empty once; what has been written since is in no log any more. */
    @Test
    void anotherEmptySecondaryInThePlaceOfTheFirstGetsWhatThereIs() throws Exception {
        startSecondary();
        startPrimary();
        awaitLinked();
        write(0, 1 << 20, 300_000);
        checkpointsWork();
        killSecondary();
        removeBuffers();
        for (final String name : NAMES) {
            Files.delete(path("secondary", name));
        }
        secondarySelf = Selves.fresh(3);
        startSecondary();
        awaitEqual();
        checkpointsWork();
    }

    @Test
    void whoJoinsIsOverwrittenOnce() throws Exception {
        fill("primary");
        fill("secondary");
        content.forEach(bytes -> Arrays.fill(bytes, (byte) 0));
        fill("primary");
        startSecondary();
        onLoop(secondaryLife, () -> secondary.join());
        startPrimary();
        awaitEqual();
        assertFalse(secondarySelf.node().record().isJoining());
        checkpointsWork();
    }

    @Test
    void theGuestGoesOnMeanwhileAndLosesNothing() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        for (int i = 0; i < 300; i++) {
            write(random.nextInt(2), random.nextInt(LENGTH - 9000), 1 + random.nextInt(9000));
        }
        awaitEqual();
        checkpointsWork();
    }

    @Test
    void theGuestPullsAheadOfASecondaryThatIsAway() throws Exception {
        fullLog = FullLogPolicy.AHEAD;
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        killSecondary();
        for (int i = 0; i < 5; i++) {
            write(i % 2, 0, LENGTH - i); // more than the log holds
        }
        startSecondary();
        awaitEqual();
        checkpointsWork();
    }
}
