package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Two processes on one disk: a file through the page cache, a file and loop devices past it. More
 * rounds of those that kill than the few that there is always time for: {@code
 * -Dlockstep.kill.rounds=100}.
 */
@Timeout(value = 1, unit = TimeUnit.HOURS)
final class SharedDiskTest {
    private static final int ROUNDS =
            Math.max(1, Integer.getInteger("lockstep.kill.rounds", 8) / 4);
    private static final int LENGTH = 4 << 20;
    private static final int ROOM_LENGTH = 512 << 20;

    /** Every other block is announced, and then all of them at once, by runs of one. */
    private static final String FRAGMENTS =
            """
            h = connect(sys.argv[1])
            length = int(sys.argv[3])
            step = 32 << 20
            for turn in range(3):
                if turn:
                    os.remove(sys.argv[2])
                for at in range(0, length, 8192):
                    h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(4096)), at)
                    while h.aio_in_flight() > 64:
                        h.poll(-1)
                while h.aio_in_flight() > 0:
                    h.poll(-1)
                for at in range(0, length, step):
                    h.aio_zero(step, at)
                open(sys.argv[2], "w").close()
                while h.aio_in_flight() > 0:
                    h.poll(-1)
            """;

    private static final int DELAY_MICROS_MAX = 60_000;

    @AutoClose private final Rig rig = new Rig();

    private final long seed = System.nanoTime();
    private final Random moments = new Random(seed);

    private Path disk(final SharedMedium medium, final String name) {
        return medium.disk(rig, name, LENGTH);
    }

    private SharedPair pair(final SharedMedium medium, final String name, final int diskCount) {
        final Path[] disks = new Path[diskCount];
        for (int i = 0; i < diskCount; i++) {
            disks[i] = disk(medium, name + i + ".img");
        }
        return new SharedPair(rig, name, medium.option(), List.of(disks));
    }

    private void sleepUpTo(final int micros) {
        LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(moments.nextInt(micros)));
    }

    private void verify(
            final SharedPair pair, final SerialWrites guest, final SerialWrites.End end) {
        try {
            guest.verify(pair.contents(), end.checkpointed(), end.submitted());
        } catch (final AssertionError e) {
            throw new AssertionError(
                    e.getMessage() + "; " + end + "; seed " + seed + "\n" + pair, e);
        }
    }

    @ParameterizedTest
    @EnumSource(SharedMedium.class)
    void aPrimaryThatIsKilledLeavesTheLastCheckpointOnAllDisks(final SharedMedium medium) {
        for (int round = 0; round < ROUNDS; round++) {
            final SharedPair pair = pair(medium, "p" + round, 2).start();
            final SerialWrites guest = pair.write(LENGTH, 0.05 * moments.nextDouble());
            guest.await(100 + moments.nextInt(3000));
            sleepUpTo(DELAY_MICROS_MAX);
            pair.primary().kill();
            pair.failOver();
            verify(pair, guest, guest.end());
            pair.stop();
        }
    }

    @ParameterizedTest
    @EnumSource(SharedMedium.class)
    void aSecondaryThatIsKilledGoesOnWhereItWas(final SharedMedium medium) {
        for (int round = 0; round < ROUNDS; round++) {
            final SharedPair pair = pair(medium, "s" + round, 2).start();
            final SerialWrites guest = pair.write(LENGTH, 0.01);
            for (int kill = 0; kill < 3; kill++) {
                guest.await(guest.count() + 100 + moments.nextInt(1000));
                sleepUpTo(DELAY_MICROS_MAX);
                pair.secondary().kill();
                sleepUpTo(DELAY_MICROS_MAX);
                pair.startSecondary();
            }
            guest.await(guest.count() + 200);
            sleepUpTo(DELAY_MICROS_MAX);
            pair.primary().kill();
            pair.failOver();
            verify(pair, guest, guest.end());
            pair.stop();
        }
    }

    /** Whoever is killed in the merge goes on with it, on a disk that is its own by then. */
    @Test
    void aMergeThatIsKilledIsBroughtToItsEnd() {
        final SharedPair pair = pair(SharedMedium.FILE, "m", 1).start();
        final SerialWrites guest = pair.write(LENGTH, 0.1);
        guest.await(2000);
        pair.primary().kill();
        final SerialWrites.End end = guest.end();
        try (Control control = pair.secondaryControl()) {
            control.execute("x-lockstep-failover", "{'fenced': true}");
        }
        pair.secondary().kill();
        pair.startSecondary();
        try (Control control = pair.secondaryControl()) {
            control.awaitMerged();
        }
        verify(pair, guest, end);
    }

    @Test
    void nobodyTakesOverBeforeThePrimaryIsKnownToBeFenced() {
        final SharedPair pair = pair(SharedMedium.FILE, "f", 1).start();
        pair.primary().kill();
        try (Control control = pair.secondaryControl()) {
            final String refusal = control.refuse("x-lockstep-failover", "{}").toString();
            assertTrue(refusal.contains("fence its host"), refusal);
        }
        pair.failOver();
    }

    /**
     * A checkpoint comes while changes wait for room in the log, which is full of announcements.
     */
    @Test
    void aCheckpointDoesNotWaitForWhatWaitsForRoom() {
        final Path file = rig.hole("room.img", ROOM_LENGTH);
        final SharedPair pair =
                new SharedPair(rig, "r", "--shared-on-one-host", List.of(file))
                        .withPrimary("--log-size", "16M")
                        .start();
        final Path isBegun = rig.path("begun");
        final Program guest =
                rig.startPython(
                        FRAGMENTS,
                        pair.guests().getFirst(),
                        isBegun.toString(),
                        Integer.toString(ROOM_LENGTH));
        try (Control control = pair.primaryControl()) {
            while (guest.isRunning()) {
                if (Files.exists(isBegun)) {
                    control.execute("x-lockstep-checkpoint");
                }
                sleepUpTo(2000);
            }
        }
        assertEquals(0, guest.awaitExit(), guest::transcript);
    }

    /** The word was for a failover that was refused: the primary lived, so it was wrong. */
    @Test
    void aWordThatWasWrongCountsForNoOtherFailover() {
        final SharedPair pair = pair(SharedMedium.FILE, "w", 1).start();
        try (Control control = pair.secondaryControl()) {
            final String alive =
                    control.refuse("x-lockstep-failover", "{'fenced': true}").toString();
            assertTrue(alive.contains("alive"), alive);
            pair.primary().kill();
            final String unsaid = control.refuse("x-lockstep-failover", "{}").toString();
            assertTrue(unsaid.contains("fence its host"), unsaid);
        }
        pair.failOver();
    }

    private void write(final SharedPair pair, final int offset) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes(5000), int(sys.argv[2])); h.flush()",
                pair.guests().getFirst(),
                Integer.toString(offset));
    }

    /** What it rewrites needs no announcement; what it writes next has to be let go on as well. */
    @Test
    void aGuestGoesOnBehindARewriteWithoutASecondary() {
        final SharedPair pair =
                pair(SharedMedium.FILE, "g", 1).withPrimary("--on-lost-link", "continue").start();
        write(pair, 0);
        pair.secondary().kill();
        write(pair, 0);
        write(pair, 1 << 20);
    }

    @Test
    void aPrimaryThatIsPromotedNeedsNoSecondary() {
        final SharedPair pair = pair(SharedMedium.FILE, "o", 1).start();
        pair.secondary().kill();
        pair.primary().kill();
        pair.startPrimary();
        try (Control control = pair.primaryControl()) {
            control.execute("x-lockstep-promote", "{'fenced': true}");
        }
        write(pair, 1 << 20);
    }

    /** It has overwritten what it has not announced: there is no checkpoint before the next one. */
    @Test
    void aSecondaryWhosePrimaryMayHaveGoneOnDoesNotTakeOver() {
        final SharedPair pair =
                pair(SharedMedium.FILE, "c", 1).withPrimary("--on-lost-link", "continue").start();
        final SerialWrites guest = pair.write(LENGTH, -1);
        guest.await(200);
        pair.secondary().kill();
        guest.await(guest.count() + 2000);
        pair.startSecondary();
        pair.awaitCheckpoint();
        guest.await(guest.count() + 200);
        pair.primary().kill();
        final SerialWrites.End end = guest.end();
        try (Control control = pair.secondaryControl()) {
            final String refusal =
                    control.refuse("x-lockstep-failover", "{'fenced': true}").toString();
            assertTrue(refusal.contains("may have gone on"), refusal);
            // By force it takes what is there, and brings nothing back that was saved once.
            control.execute("x-lockstep-failover", "{'force': true}");
            control.awaitMerged();
        }
        guest.verify(pair.contents(), end.acknowledged(), end.submitted());
    }

    // ---- Two nodes, whose roles change.

    private List<String> node(final Path disk, final String side, final String other) {
        return node(disk, side, other, side.equals("n") ? "primary" : "secondary");
    }

    private List<String> node(
            final Path disk, final String side, final String other, final String first) {
        final List<String> arguments =
                new ArrayList<>(List.of("node", "--shared", "--disk", "vda=" + disk));
        arguments.addAll(List.of("--first", first));
        arguments.addAll(List.of("--listen", "nbd+unix:///?socket=" + rig.path(side + "l")));
        arguments.addAll(List.of("--peer", "nbd+unix:///?socket=" + rig.path(other + "l")));
        arguments.addAll(List.of("--guest", "nbd+unix:///?socket=" + rig.path(side + "g")));
        arguments.addAll(List.of("--control", rig.path(side + "c").toString()));
        arguments.addAll(List.of("--buffers", rig.path(side + "b").toString()));
        arguments.addAll(List.of("--state", rig.path(side + "s").toString()));
        arguments.add("--state-may-vanish");
        return arguments;
    }

    private void write(final String side, final int value) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[2])]) * 100000, 5000);"
                        + " h.flush()",
                "nbd+unix:///vda?socket=" + rig.path(side + "g"),
                Integer.toString(value));
    }

    private void awaitHealed(final String side) {
        try (Control control = Control.connect(rig.path(side + "c"))) {
            control.awaitHealed();
        }
    }

    private long writtenTo(final String side) {
        try (Control control = Control.connect(rig.path(side + "c"))) {
            return control.status()
                    .getAsJsonArray("disks")
                    .get(0)
                    .getAsJsonObject()
                    .get("written-bytes")
                    .getAsLong();
        }
    }

    @Test
    void rolesAreSwitchedWithoutMovingData() {
        final Path disk = disk(SharedMedium.FILE, "switch");
        rig.server(node(disk, "s", "n"));
        rig.server(node(disk, "n", "s"));
        awaitHealed("n");
        write("n", 1);
        try (Control control = Control.connect(rig.path("nc"))) {
            control.execute("x-lockstep-switchover");
        }
        awaitHealed("s");
        assertEquals(0, writtenTo("n"), "something was announced, or sent, to the new secondary");
        write("s", 2);
        assertEquals(2, Rig.read(disk)[5000]);
        try (Control control = Control.connect(rig.path("sc"))) {
            control.execute("x-lockstep-checkpoint");
        }
    }

    /** So does a node that has not finished giving its role away: who is to lead asks again. */
    @Test
    void aPrimarySaysThatItsDisksAreShared() {
        final Path disk = disk(SharedMedium.FILE, "two");
        rig.server(node(disk, "n", "s", "primary"));
        rig.server(node(disk, "s", "n", "primary"));
        try (Control control = Control.connect(rig.path("nc"))) {
            control.await("met", status -> !reasonUnlinked(status).isEmpty());
            control.await(
                    "told",
                    status -> {
                        final String reason = reasonUnlinked(status);
                        assertFalse(reason.contains("--shared"), reason);
                        return reason.contains("primary");
                    });
        }
    }

    private static String reasonUnlinked(final JsonObject status) {
        final JsonElement error = status.get("error");
        return error == null || error.isJsonNull()
                ? status.get("unlinked-reason").getAsString()
                : error.toString();
    }

    @Test
    void whoWasFencedComesBackAsTheSecondary() {
        final Path disk = disk(SharedMedium.FILE, "back");
        rig.server(node(disk, "s", "n"));
        final LockstepProcess first = rig.server(node(disk, "n", "s"));
        awaitHealed("n");
        write("n", 1);
        try (Control control = Control.connect(rig.path("nc"))) {
            control.execute("x-lockstep-checkpoint");
        }
        write("n", 2);
        first.kill();
        try (Control control = Control.connect(rig.path("sc"))) {
            control.execute("x-lockstep-failover", "{'fenced': true}");
            control.await(
                    "merged",
                    status ->
                            status.get("role").getAsString().equals("primary")
                                    && !status.get("state").getAsString().equals("merging"));
        }
        assertEquals(1, Rig.read(disk)[5000]);
        write("s", 3);
        rig.server(node(disk, "n", "s"));
        awaitHealed("s");
        write("s", 4);
        try (Control control = Control.connect(rig.path("sc"))) {
            control.execute("x-lockstep-checkpoint");
        }
        assertEquals(4, Rig.read(disk)[5000]);
    }

    @Test
    void bothSidesShareOrNone() {
        final Path disk = disk(SharedMedium.CACHED_FILE, "both.img");
        final SharedPair pair =
                new SharedPair(rig, "b", SharedMedium.CACHED_FILE.option(), List.of(disk));
        pair.startSecondary();
        final List<String> alone = new ArrayList<>(pair.primaryCommand());
        alone.remove(SharedMedium.CACHED_FILE.option());
        alone.set(alone.indexOf("a=" + disk), "a=" + rig.hole("own.img", LENGTH));
        final LockstepProcess primary = LockstepProcess.start(rig.directory(), alone);
        assertEquals(1, primary.awaitExit());
        assertTrue(primary.err().contains("shares its primary's disks"), primary::err);
    }

    @Test
    void aThirdOneIsRefused() {
        final Path disk = disk(SharedMedium.FILE, "third");
        final SharedPair pair = new SharedPair(rig, "t", "--shared", List.of(disk)).start();
        final SharedPair third = new SharedPair(rig, "u", "--shared", List.of(disk));
        final String refusal = rig.serverInVain(third.secondaryCommand());
        assertTrue(refusal.contains("in use by another lockstep"), refusal);
        final Tool.Output qemu =
                rig.end(Tool.QEMU_IO, "-f", "raw", "-c", "read 0 1", disk.toString());
        assertTrue(qemu.exitCode() != 0, qemu::toString);
        pair.stop();
    }
}
