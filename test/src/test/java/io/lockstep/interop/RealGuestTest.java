package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.Map;

/**
 * Virtual machines with a Linux kernel and ext4, on a replicated pair's exports and on a plain
 * server's. What they boot is fetched once by {@code test/guest/fetch}; {@code test/guest/run} does
 * that and runs these tests.
 */
final class RealGuestTest {
    private static final int LENGTH = 96 << 20;

    @AutoClose private final Rig rig = new Rig();

    /**
     * What the disk has acknowledged before a checkpoint was asked for is in it; what the guest
     * began when it was done is not.
     */
    @Test
    void aGuestThatIsKilledWithItsPrimaryHasOnTheSecondaryTheFilesOfTheLastCheckpoint() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        final RealGuest killed = RealGuest.bootFrom(rig, pair.guest("a"), "write");
        killed.awaitComplete(1);
        final CheckpointLoop checkpoints = CheckpointLoop.start(rig, pair, killed);
        killed.awaitComplete(30);
        checkpoints.stop();
        final int firstLost = killed.firstFileAfterNow();
        killed.awaitComplete(firstLost + 5);
        pair.primary().kill();
        killed.kill();

        final Map<Integer, String> found = recover(pair, checkpoints);
        found.keySet()
                .forEach(
                        number ->
                                assertTrue(
                                        number < firstLost,
                                        "file " + number + " is of after the checkpoint"));
    }

    @Test
    void aGuestThatIsKilledInCheckpointsHasAllFilesOfTheLastOneThatWasDone() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        final RealGuest killed = RealGuest.bootFrom(rig, pair.guest("a"), "write");
        killed.awaitComplete(1);
        final CheckpointLoop checkpoints = CheckpointLoop.start(rig, pair, killed);
        killed.awaitComplete(30);
        pair.primary().kill();
        killed.kill();
        recover(pair, checkpoints);
    }

    /**
     * Fails over, and boots another guest from what that left, while the merge goes on.
     *
     * @return the files that it found
     */
    private Map<Integer, String> recover(
            final ReplicatedPair pair, final CheckpointLoop checkpoints) {
        final Map<Integer, String> expected = checkpoints.filesOfTheLast();
        assertTrue(checkpoints.count() > 10 && expected.size() > 10, checkpoints::toString);
        try (Control control = pair.secondaryControl()) {
            control.execute("x-lockstep-failover", "{'force': true}");
            final RealGuest next = RealGuest.bootFrom(rig, pair.secondaryGuest("a"), "recover");
            next.await("recovered the journal");
            next.await("clean");
            next.awaitDone();
            final Map<Integer, String> found = next.found();
            expected.forEach((number, sum) -> assertEquals(sum, found.get(number), "" + number));
            control.awaitMerged();
            rig.run(Tool.E2FSCK, "-f", "-n", pair.secondaryDisk("a").toString());
            return found;
        }
    }

    @Test
    void theKernelsOwnClientMountsAnExport() {
        final Path disk = rig.hole("disk.img", LENGTH);
        final LockstepProcess server =
                rig.serveWith("--disk", Rig.DISK + "=" + disk, "--listen", "nbd://127.0.0.1:0");
        final RealGuest guest = RealGuest.bootWithNetwork(rig, "client", server.port());
        guest.awaitDone();
        final Map<Integer, String> expected = guest.complete();
        assertEquals(20, expected.size());
        expected.remove(3); // which the guest has removed
        assertEquals(expected, guest.found());
        rig.run(Tool.E2FSCK, "-f", "-n", disk.toString());
        assertTrue(
                rig.allocated(disk) < LENGTH / 2, "what the guest has trimmed is no longer there");
    }
}
