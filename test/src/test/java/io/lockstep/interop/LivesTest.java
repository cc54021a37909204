package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import io.lockstep.cli.run.DirectoryTree;
import io.lockstep.engine.memory.Storage;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One life of a pair after another, in real processes: kill -9, and what a reboot takes away (I10,
 * I11, I13). A node that can't know that it is right refuses, and no acknowledged write is lost.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class LivesTest {
    private static final int LENGTH = 4 << 20;
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair =
            new ReplicatedPair(rig, "", 1, LENGTH).withPrimary("--assume-identical");

    private void write(final String guest, final int value) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[2])]) * 4096, 0);"
                        + " h.flush()",
                guest,
                "" + value);
    }

    private static int firstByte(final Path disk) {
        return Rig.read(disk)[0];
    }

    private void failOver() {
        try (Control control = pair.secondaryControl()) {
            control.await("unlinked", status -> !status.get("linked").getAsBoolean());
            control.execute("x-lockstep-failover");
            control.awaitMerged();
        }
    }

    private String refusedFailover() {
        try (Control control = pair.secondaryControl()) {
            return control.refuse("x-lockstep-failover", "{}").sentence();
        }
    }

    private void loseBuffers() throws IOException {
        DirectoryTree.remove(pair.buffers());
    }

    /** Why the primary does not serve its guest. */
    private String waiting() {
        try (Control control = pair.primaryControl()) {
            return control.await(
                            "refused", status -> status.get("state").getAsString().equals("broken"))
                    .get("waiting")
                    .getAsString();
        }
    }

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    private String primaryError() {
        try (Control control = pair.primaryControl()) {
            return control.await("broken", status -> status.has("error"))
                    .getAsJsonObject("error")
                    .get("desc")
                    .getAsString();
        }
    }

    // ---- Who is newer.

    @Test
    void aPromotedNodeStaysPromotedAndItsFormerPrimaryWaits() {
        pair.start();
        write(pair.guest("a"), 1);
        pair.checkpoint();
        pair.primary().kill();
        failOver();
        write(pair.secondaryGuest("a"), 2);
        pair.secondary().kill();

        pair.startSecondary();
        pair.startPrimary();
        assertContains("the peer is newer: it took over", waiting());
        write(pair.secondaryGuest("a"), 3);
        assertEquals(3, firstByte(pair.secondaryDisk("a")));
        assertEquals(1, firstByte(pair.primaryDisk("a")));
    }

    @Test
    void whatOnlyThePrimaryHasIsNotUndoneWhenBothHostsLosePower() throws IOException {
        pair.start();
        write(pair.guest("a"), 1);
        pair.checkpoint();
        pair.secondary().kill();
        write(pair.guest("a"), 2);
        pair.primary().kill();
        loseBuffers();

        pair.startSecondary();
        pair.startPrimary();
        pair.awaitHealed();
        assertEquals(2, firstByte(pair.primaryDisk("a")));
        assertEquals(2, firstByte(pair.secondaryDisk("a")));
    }

    @Test
    void aSecondaryThatLosesItsBuffersInMidEpochIsNoCheckpoint() throws IOException {
        pair.start();
        write(pair.guest("a"), 1);
        pair.checkpoint();
        write(pair.guest("a"), 2);
        pair.requireEqual();
        pair.secondary().kill();
        pair.primary().kill();
        loseBuffers();
        pair.startSecondary();
        assertContains("between two checkpoints", refusedFailover());
        try (Control control = pair.secondaryControl()) {
            final String stop = control.refuse("x-lockstep-stop", "{}").sentence();
            assertContains("between two checkpoints", stop);
        }
        assertEquals(2, firstByte(pair.primaryDisk("a")));
        pair.startPrimary();
        pair.awaitHealed();
        pair.primary().kill();
        failOver();
        assertEquals(2, firstByte(pair.secondaryDisk("a")));
    }

    /**
     * The host of the secondary is booted anew, and its buffers lie on a disk: what was closed in
     * good order is there, and of what was not nobody knows how much had reached the disk.
     */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aRebootLeavesBuffersOnADiskThatWereClosedInGoodOrder(final boolean isInGoodOrder)
            throws IOException {
        final Path onDisk = Files.createTempDirectory(Path.of("target"), "buffers");
        try {
            assumeFalse(Storage.isMemory(onDisk), "no disk here");
            assumeTrue(isBootAChoice(), "the name of the boot can't be chosen here: needs root");
            pair.withBuffers(onDisk.toAbsolutePath().resolve("own")).start();
            write(pair.guest("a"), 1);
            pair.checkpoint();
            write(pair.guest("a"), 2);
            pair.requireEqual();
            if (isInGoodOrder) {
                assertEquals(0, pair.secondary().stop());
            } else {
                pair.primary().kill();
                pair.secondary().kill();
            }
            rig.serverAfter(inAnotherBoot(), pair.secondaryArguments());
            if (isInGoodOrder) {
                try (Control control = pair.primaryControl()) {
                    control.awaitLink();
                }
                pair.primary().kill();
                failOver();
                assertEquals(1, firstByte(pair.secondaryDisk("a")));
            } else {
                assertContains("between two checkpoints", refusedFailover());
            }
        } finally {
            DirectoryTree.remove(onDisk);
        }
    }

    /**
     * The host of the primary loses its power: what the peer lacks is known all the same, but for
     * the regions that were written to lately, which are compared.
     */
    @Test
    void afterALossOfPowerThePrimaryComparesWhatWasHot() throws IOException {
        assumeTrue(isBootAChoice(), "the name of the boot can't be chosen here: needs root");
        try (Rig onDisk = new Rig(Rig.Place.DISK)) {
            assumeFalse(Storage.isMemory(onDisk.path("")), "no disk here");
            final ReplicatedPair large = new ReplicatedPair(onDisk, "x", 1, 512 << 20);
            change(large.primaryDisk("a"), 0); // it is made equal, and so is known
            large.start();
            large.awaitHealed();
            awaitRecorded(onDisk.path(large.primaryDisk("a").getFileName() + ".lockstep"));
            onDisk.python(
                    "h = connect(sys.argv[1]); h.pwrite(b'2' * 4096, 0);"
                            + " h.pwrite(b'3' * 4096, 100 << 20)",
                    large.guest("a"));
            large.requireEqual();
            large.primary().kill();
            change(large.primaryDisk("a"), 101 << 20); // what was there was not flushed
            final LockstepProcess primary =
                    onDisk.serverAfter(inAnotherBoot(), large.primaryArguments());
            large.awaitHealed();
            final Matcher told =
                    Pattern.compile("is made equal: ([0-9]+) bytes").matcher(primary.err());
            assertTrue(told.find(), primary.err());
            final long beyond = Long.parseLong(told.group(1)) - (2 * 16 << 20);
            assertTrue(beyond >= 0 && beyond <= 2 * 4096, "two regions were hot: " + beyond);
        }
    }

    private static void change(final Path disk, final long offset) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.seek(offset);
            file.write(1);
        }
    }

    /** Waits until the activity log speaks of a peer: at 32 it has its name. */
    private static void awaitRecorded(final Path state) throws IOException {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (!hasPeer(state.resolve("activity-0")) && !hasPeer(state.resolve("activity-1"))) {
            assertTrue(System.nanoTime() < deadline, "nothing is recorded in time");
            Rig.pause();
        }
    }

    private static boolean hasPeer(final Path copy) throws IOException {
        return Files.exists(copy)
                && !Arrays.equals(
                        new byte[16], Arrays.copyOfRange(Files.readAllBytes(copy), 32, 48));
    }

    /** A command of the shell that gives what it starts a kernel of another boot. */
    private String inAnotherBoot() throws IOException {
        final Path name = rig.path("boot");
        Files.writeString(name, "01234567-89ab-4cde-8f01-23456789abcd\n");
        return "set -- unshare --mount sh -c 'mount --bind \"$0\" "
                + BOOT
                + " && exec \"$@\"' "
                + name
                + " \"$@\"";
    }

    private boolean isBootAChoice() throws IOException {
        final String script = inAnotherBoot() + "; exec \"$@\"";
        try (Program program =
                Program.start(
                        "cat",
                        List.of("sh", "-c", script, "sh", "cat", BOOT.toString()),
                        rig.path(""))) {
            return program.awaitExit() == 0 && program.out().startsWith("01234567");
        }
    }

    // ---- Verdicts.

    @Test
    void nobodyTakesOverWhoMustNot() {
        pair.startSecondary();
        assertContains("no primary has ever been attached", refusedFailover());
        pair.startPrimary();
        try (Control control = pair.primaryControl()) {
            control.awaitLink();
        }
        write(pair.guest("a"), 1);
        pair.checkpoint();
        write(pair.guest("a"), 2);
        pair.requireEqual();
        assertContains("linked and alive", refusedFailover());

        rig.lockstep("stop", "--control", pair.primaryControlSocket().toString());
        assertContains("went on without this node", refusedFailover());
        final Tool.Output explained = failover("--explain");
        assertEquals(1, explained.exitCode());
        final JsonObject verdict = JsonParser.parseString(explained.out()).getAsJsonObject();
        assertFalse(verdict.get("allowed").getAsBoolean());
        assertEquals(1, verdict.get("epoch").getAsLong());
        assertEquals(4096, verdict.getAsJsonObject("lost").get("bytes").getAsLong());
        assertEquals(0, failover("--force").exitCode());
        assertEquals(1, firstByte(pair.secondaryDisk("a")));
    }

    /** The log was full while it was away: it hears that when it is there again. */
    @Test
    void whoIsDetachedWhileItIsAwayDoesNotTakeOver() {
        pair.withPrimary("--log-size", "64K", "--on-full-log", "detach").start();
        write(pair.guest("a"), 1);
        pair.checkpoint();
        pair.secondary().kill();
        for (int value = 2; value < 40; value++) {
            write(pair.guest("a"), value);
        }
        final LockstepProcess back = pair.startSecondary();
        try (Control control = pair.secondaryControl()) {
            control.await(
                    "left behind",
                    status -> status.get("standing").getAsString().equals("outdated"));
        }
        assertContains("went on without this node", refusedFailover());
        assertEquals(0, back.stop());
        // Started again, the primary makes it equal.
        assertEquals(0, pair.primary().stop());
        assertContains("knows that it is left behind", pair.primary().err());
        pair.startSecondary();
        pair.startPrimary();
        try (Control control = pair.primaryControl()) {
            control.awaitHealed();
        }
        pair.requireEqual();
        assertEquals(39, firstByte(pair.secondaryDisk("a")));
    }

    /** It reigned still when its peer was out, and replicates to nobody now. */
    @Test
    void whatAPromotedNodeWritesAloneIsRecorded() {
        pair.start();
        write(pair.guest("a"), 1);
        rig.lockstep("stop", "--control", pair.primaryControlSocket().toString()).requireSuccess();
        assertEquals(0, pair.primary().stop());
        assertEquals("reigning", standingOf(pair.primaryDisk("a")));
        final String guest = "nbd+unix:///a?socket=" + rig.path("pg");
        final LockstepProcess promoted =
                rig.server(
                        List.of(
                                "secondary",
                                "--disk",
                                "a=" + pair.primaryDisk("a"),
                                "--listen",
                                "nbd+unix:///?socket=" + rig.path("pl"),
                                "--guest",
                                "nbd+unix:///?socket=" + rig.path("pg"),
                                "--control",
                                rig.path("pn").toString(),
                                "--buffers",
                                rig.path("pbuffers").toString()));
        assertContains("promoted node of a", promoted.ready());
        assertEquals("reigning", standingOf(pair.primaryDisk("a")));
        write(guest, 2);
        assertEquals("alone", standingOf(pair.primaryDisk("a")));
        assertEquals(0, promoted.stop());
    }

    private String standingOf(final Path disk) {
        final Tool.Output output = rig.lockstep("state", "--json", "--state", disk + ".lockstep");
        return JsonParser.parseString(output.requireSuccess().out())
                .getAsJsonObject()
                .get("standing")
                .getAsString();
    }

    private Tool.Output failover(final String option) {
        return rig.lockstep(
                "failover", option, "--control", pair.secondaryControlSocket().toString());
    }

    @Test
    void aDiskWhoseStreamBrokeIsNotWhatThePrimaryWroteLast() {
        pair.withSecondary("--buffer-limit", "64K").start();
        final String fill = "connect(sys.argv[1]).pwrite(b'1' * (1 << 20), 0)";
        rig.python(fill, pair.guest("a"));
        pair.checkpoint();
        rig.python(fill, pair.guest("a"));
        primaryError();
        try (Control control = pair.secondaryControl()) {
            final String stop = control.refuse("x-lockstep-stop", "{}").sentence();
            assertContains("the stream broke", stop);
        }
        failOver();
    }

    // ---- Buffers and states of others.

    @Test
    void anotherFileInTheDisksPlaceIsRefused() throws IOException {
        pair.start();
        write(pair.guest("a"), 1);
        pair.primary().kill();
        pair.secondary().kill();
        final Path other = rig.hole("other.img", LENGTH);
        Files.move(other, pair.secondaryDisk("a"), StandardCopyOption.REPLACE_EXISTING);
        assertContains("the state is that of", rig.serverInVain(pair.secondaryArguments()));

        DirectoryTree.remove(rig.path(pair.secondaryDisk("a").getFileName() + ".lockstep"));
        assertContains("are those of another node", rig.serverInVain(pair.secondaryArguments()));
        assertEquals(0, firstByte(pair.secondaryDisk("a")));
    }

    @Test
    void aPlainServerDoesNotWriteADiskBehindItsPairsBack() {
        pair.start();
        write(pair.guest("a"), 1);
        pair.requireEqual();
        assertEquals(0, pair.primary().stop());
        final String disk = "x=" + pair.primaryDisk("a");
        final String listen = "nbd+unix:///?socket=" + rig.path("plain");
        final String[] plain = {"--disk", disk, "--listen", listen};
        assertContains("is in a pair", rig.serveInVain(plain));
        Rig.length(pair.primaryDisk("a"), LENGTH - 4096); // whatever becomes of its file
        assertContains("is in a pair", rig.serveInVain(plain));
        Rig.length(pair.primaryDisk("a"), LENGTH);
        try (LockstepProcess server =
                rig.serveWith("--disk", disk, "--listen", listen, "--new-generation")) {
            write("nbd+unix:///x?socket=" + rig.path("plain"), 2);
            assertEquals(0, server.stop());
        }
        pair.startPrimary();
        pair.awaitHealed();
        assertEquals(2, firstByte(pair.secondaryDisk("a")));
    }

    @Test
    void anotherPrimaryIsRefusedWhateverItsArgumentsSay() {
        pair.start();
        write(pair.guest("a"), 1);
        pair.primary().kill();
        final ReplicatedPair other =
                new ReplicatedPair(rig, "o", 1, LENGTH)
                        .withLink(pair.linkSocket())
                        .withPrimary("--assume-identical");
        assertContains("nothing in common", rig.serverInVain(other.primaryArguments()));
        pair.secondary().kill();
        pair.startSecondary();
        assertContains("nothing in common", rig.serverInVain(other.primaryArguments()));
    }

    @Test
    void emptinessIsLookedAtWhenThePrimaryComes() {
        final ReplicatedPair plain = new ReplicatedPair(rig, "e", 1, LENGTH);
        plain.startSecondary();
        write("nbd+unix:///a?socket=" + plain.linkSocket(), 1);
        assertContains(
                "the secondary's disk has data of its own",
                rig.serverInVain(plain.primaryArguments()));
    }

    /** It was killed before it met anybody: what it wrote nobody else has. */
    @Test
    void equalityThatWasSaidOnceIsNotSaidOfWhatWasWrittenSince() {
        pair.startPrimary();
        write(pair.guest("a"), 1);
        pair.primary().kill();
        pair.startSecondary();
        pair.startPrimary();
        pair.awaitHealed();
        assertEquals(1, firstByte(pair.secondaryDisk("a")));
    }

    // ---- Going on.

    @Test
    void aPrimaryThatWasStoppedInGoodOrderGoesOn() throws IOException {
        pair.start();
        write(pair.guest("a"), 1);
        pair.requireEqual();
        assertEquals(0, pair.primary().stop());
        pair.startPrimary();
        try (Control control = pair.primaryControl()) {
            control.awaitLink();
        }
        write(pair.guest("a"), 2);
        pair.checkpoint();
        pair.requireEqual();

        assertEquals(0, pair.primary().stop());
        assertEquals(0, pair.secondary().stop());
        loseBuffers();
        pair.start();
        write(pair.guest("a"), 3);
        pair.checkpoint();
        write(pair.guest("a"), 4);
        pair.requireEqual();
        pair.primary().kill();
        failOver();
        assertEquals(3, firstByte(pair.secondaryDisk("a")));
    }

    @Test
    void aPrimaryThatDiedServesItsGuestWhenItIsTold() {
        pair.start();
        write(pair.guest("a"), 1);
        pair.secondary().kill();
        pair.primary().kill();
        pair.startPrimary();
        final Program guest =
                rig.startPython("print(connect(sys.argv[1]).pread(1, 0)[0])", pair.guest("a"));
        try (Control control = pair.primaryControl()) {
            control.await(
                    "waiting", status -> status.get("waiting").getAsString().contains("promote"));
        }
        assertEquals("", guest.out());
        final Tool.Output promoted =
                rig.lockstep("promote", "--control", pair.primaryControlSocket().toString());
        assertEquals(0, promoted.exitCode(), promoted::toString);
        guest.awaitLine(line -> line.equals("1"));
        write(pair.guest("a"), 2);
        try (Control control = pair.primaryControl()) {
            assertEquals("alone", control.status().get("standing").getAsString());
        }
    }
}
