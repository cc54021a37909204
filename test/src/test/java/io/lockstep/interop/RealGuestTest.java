package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Virtual machines with a Linux kernel and ext4, on a replicated pair's exports and on a plain
 * server's. What they boot is fetched once by {@code test/guest/fetch}; {@code test/guest/run} does
 * that and runs these tests.
 */
final class RealGuestTest {
    private static final int LENGTH = 96 << 20;

    /** The number of the first file of a guest that goes on where another one was killed. */
    private static final int FIRST_OF_NEXT = 1_000_000;

    @AutoClose private final Rig rig = new Rig();

    /**
     * The life of a pair, with a guest that writes all the time. What the disk has acknowledged
     * before a checkpoint was asked for is in it, and stays; what the guest began when it was done
     * is gone with its primary. Of what was acknowledged since, the way back loses nothing.
     */
    @Test
    void theFilesOfAGuestOutliveItsPrimaryAndTheWayBackToIt() {
        final SwitchingHost north = host("n", "sl", "primary");
        final SwitchingHost south = host("s", "nl", "secondary");
        south.start();
        north.start();
        north.awaitHealed();
        checkpoint(north);
        final RealGuest killed = RealGuest.bootFrom(rig, north.guest(), "write");
        final CheckpointLoop checkpoints = checkpointsOf(north::connect, killed);
        checkpoints.stop();
        south.awaitDurable(); // so that it is known then what differs, and not compared
        final int firstLost = killed.firstFileAfterNow();
        writeInVainAndBeKilled(killed, firstLost + 5, north, south);

        failOver(south);
        final RealGuest next = RealGuest.bootFromWhatMayGo(rig, south.guest(), "go_on");
        final Map<Integer, String> kept = recovered(next);
        assertHolds(filesOfTheLast(checkpoints), kept);
        assertNoneOf(firstLost, kept);
        next.awaitComplete(5);

        final String back = north.start();
        assertTrue(back.contains("secondary of vda takes the stream"), back);
        south.awaitHealed();
        next.awaitComplete(next.complete().size() + 5);
        north.switchover().requireSuccess();
        next.awaitDiskGone();
        kept.putAll(next.complete());

        final RealGuest last = RealGuest.bootFrom(rig, north.guest(), "recover");
        final Map<Integer, String> found = recovered(last);
        assertHolds(kept, found);
        assertNoneOf(firstLost, found);
        last.awaitDone();
        north.awaitHealed();
        assertEquals(0, north.process().stop(), north.process()::toString);
        assertEquals(0, south.process().stop(), south.process()::toString);
        ReplicatedPair.assertSame(north.disk(), south.disk());
        rig.run(Tool.E2FSCK, "-f", "-n", north.disk().toString());
        assertEquals(
                Set.of("n.img", "n.img.lockstep", "s.img", "s.img.lockstep", "sbuffers"),
                filesOfBoth());
    }

    /** No socket, and no buffers but those that the secondary begins again with. */
    private Set<String> filesOfBoth() {
        final String[] files = rig.directory().toFile().list((directory, name) -> isOfAHost(name));
        return Set.of(files);
    }

    private static boolean isOfAHost(final String name) {
        return name.startsWith("n") || name.startsWith("s");
    }

    /** One that takes a peer that stands still for one that lives, however long that takes here. */
    private SwitchingHost host(final String name, final String peer, final String first) {
        return new SwitchingHost(
                rig, name, peer, LENGTH, "--first", first, "--peer-timeout", "60s");
    }

    private static void checkpoint(final SwitchingHost primary) {
        try (Control control = primary.connect()) {
            control.checkpoint();
        }
    }

    /** What it writes its primary acknowledges, and only a part of it reaches the secondary. */
    private static void writeInVainAndBeKilled(
            final RealGuest guest,
            final int fileCount,
            final SwitchingHost primary,
            final SwitchingHost secondary) {
        secondary.process().signal("STOP");
        try {
            guest.awaitComplete(fileCount);
            guest.changeFiles();
            primary.process().kill();
            guest.kill();
        } finally {
            secondary.process().signal("CONT");
        }
    }

    private static void failOver(final SwitchingHost secondary) {
        try (Control control = secondary.connect()) {
            control.await("left by its primary", status -> !status.get("linked").getAsBoolean());
            control.execute("x-lockstep-failover");
        }
    }

    @Test
    void aGuestThatIsKilledInCheckpointsHasAllFilesOfTheLastOneThatWasDone() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        final RealGuest killed = RealGuest.bootFrom(rig, pair.guest("a"), "write");
        final CheckpointLoop checkpoints = checkpointsOf(pair::primaryControl, killed);
        pair.primary().kill();
        killed.kill();

        try (Control control = pair.secondaryControl()) {
            control.execute("x-lockstep-failover", "{'force': true}");
            // While the merge goes on.
            final RealGuest next = RealGuest.bootFrom(rig, pair.secondaryGuest("a"), "recover");
            assertHolds(filesOfTheLast(checkpoints), recovered(next));
            next.awaitDone();
            control.awaitMerged();
            rig.run(Tool.E2FSCK, "-f", "-n", pair.secondaryDisk("a").toString());
        }
    }

    /** What it has overwritten since the last checkpoint is as it was, and nothing new is left. */
    @Test
    void theFilesOfTheLastCheckpointAreBroughtBackOnADiskThatBothHostsShare() {
        final Path disk = rig.holeOnDisk("shared", LENGTH);
        final SharedPair pair = new SharedPair(rig, "d", "--shared", List.of(disk)).start();
        final RealGuest killed = RealGuest.bootFrom(rig, pair.guests().getFirst(), "write");
        final CheckpointLoop checkpoints = checkpointsOf(pair::primaryControl, killed);
        checkpoints.stop();
        final int firstLost = killed.firstFileAfterNow();
        killed.awaitComplete(firstLost + 5);
        killed.changeFiles();
        pair.primary().kill();
        killed.kill();

        rig.lockstep("failover", "--fenced", "--control", pair.secondaryControlSocket().toString())
                .requireSuccess();
        final RealGuest next =
                RealGuest.bootFrom(rig, pair.secondaryGuests().getFirst(), "recover");
        final Map<Integer, String> found = recovered(next);
        assertHolds(filesOfTheLast(checkpoints), found);
        assertNoneOf(firstLost, found);
        next.awaitDone();
        assertEquals(0, pair.secondary().stop(), pair::toString);
        rig.run(Tool.E2FSCK, "-f", "-n", disk.toString());
    }

    /** Checkpoints that go on, beside a guest that has written a number of files meanwhile. */
    private CheckpointLoop checkpointsOf(final Supplier<Control> primary, final RealGuest guest) {
        guest.awaitComplete(1);
        final CheckpointLoop checkpoints = CheckpointLoop.start(rig, primary, guest);
        guest.awaitComplete(30);
        return checkpoints;
    }

    private static Map<Integer, String> filesOfTheLast(final CheckpointLoop checkpoints) {
        final Map<Integer, String> files = checkpoints.filesOfTheLast();
        assertTrue(checkpoints.count() > 10 && files.size() > 10, checkpoints::toString);
        return files;
    }

    /** The files that a guest finds in a file system that another one left, which is in order. */
    private static Map<Integer, String> recovered(final RealGuest guest) {
        guest.await("recovered the journal");
        guest.await("clean");
        return guest.found();
    }

    private static void assertHolds(
            final Map<Integer, String> expected, final Map<Integer, String> found) {
        expected.forEach((number, sum) -> assertEquals(sum, found.get(number), "" + number));
    }

    /** What the killed guest began behind the last checkpoint is nowhere. */
    private static void assertNoneOf(final int firstLost, final Map<Integer, String> found) {
        for (final int number : found.keySet()) {
            assertTrue(number < firstLost || number >= FIRST_OF_NEXT, "there again: " + number);
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
