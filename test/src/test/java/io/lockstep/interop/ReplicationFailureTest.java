package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Pairs that can't be, and pairs that break: what the guest and the manager get to see. */
final class ReplicationFailureTest {
    private static final int LENGTH = 16 << 20;

    @AutoClose private final Rig rig = new Rig();

    private ReplicatedPair pair() {
        return new ReplicatedPair(rig, "", 1, LENGTH);
    }

    /** The guest of the primary must go on, whatever becomes of the secondary. */
    private void writeAsGuest(final ReplicatedPair pair, final int pass) {
        rig.python(
                """
                h = connect(sys.argv[1])
                data = pattern(1 << 20, int(sys.argv[2]))
                for at in range(0, h.get_size(), 1 << 20):
                    h.pwrite(data, at)
                for at in range(0, h.get_size(), 1 << 20):
                    same(h.pread(1 << 20, at), data)
                """,
                pair.guest("a"),
                Integer.toString(pass));
    }

    /** Waits until get-error has something to tell; answers it. */
    private static String awaitError(final Control control) {
        final JsonObject status = control.await("broken", found -> found.has("error"));
        final JsonObject answer = control.execute("query-xen-replication-status").getAsJsonObject();
        assertTrue(answer.get("error").getAsBoolean(), status::toString);
        return status.getAsJsonObject("error").get("desc").getAsString();
    }

    /** The primary doesn't come up; answers why. */
    private String refused(final ReplicatedPair pair) {
        return rig.serverInVain(pair.primaryArguments());
    }

    // ---- Pairs that can't be.

    @Test
    void aSecondaryDiskOfAnotherLengthIsRefused() throws IOException {
        final ReplicatedPair pair = pair();
        truncate(pair.secondaryDisk("a"), LENGTH / 2);
        pair.startSecondary();
        final String error = refused(pair);
        assertTrue(error.contains("" + LENGTH / 2) && error.contains("" + LENGTH), error);
    }

    @Test
    void aSecondaryWithoutTheDiskIsRefused() {
        final ReplicatedPair pair = pair();
        final Path other = rig.hole("other.img", LENGTH);
        rig.server(
                List.of(
                        "secondary",
                        "--disk",
                        "other=" + other,
                        "--listen",
                        "nbd+unix:///?socket=" + pair.linkSocket(),
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("t"),
                        "--control",
                        rig.path("oc").toString(),
                        "--buffers",
                        rig.path("ob").toString()));
        final String error = refused(pair);
        assertTrue(error.contains("other"), error);
    }

    @Test
    void disksThatDifferAreRefused() {
        final ReplicatedPair pair = pair();
        rig.write(pair.primaryDisk("a"), 0, Rig.randomBytes(LENGTH, 1));
        final byte[] other = Rig.randomBytes(LENGTH, 2);
        rig.write(pair.secondaryDisk("a"), 0, other);
        pair.startSecondary();
        final String error = refused(pair);
        assertTrue(error.contains("identical"), error);
        assertArrayEquals(other, Rig.read(pair.secondaryDisk("a")), "nothing was written there");
    }

    @Test
    void aSecondPrimaryIsRefusedAndTheFirstGoesOn() {
        final ReplicatedPair first = pair().start();
        writeAsGuest(first, 1);
        first.checkpoint();
        final ReplicatedPair second =
                new ReplicatedPair(rig, "2", 1, LENGTH).withLink(first.linkSocket());
        final String error = refused(second);
        assertTrue(error.contains("nothing in common"), error);
        writeAsGuest(first, 3);
        first.requireEqual();
        first.checkpoint();
    }

    @Test
    void aPrimaryThatWasKilledAndStartedAgainSendsWhatItNoted() {
        final ReplicatedPair pair = pair().start();
        writeAsGuest(pair, 1);
        pair.checkpoint();
        writeAsGuest(pair, 2);
        pair.primary().kill();
        pair.startPrimary();
        pair.awaitHealed();
        pair.primary().kill();
        pair.failOver();
        ReplicatedPair.assertSame(pair.primaryDisk("a"), pair.secondaryDisk("a"));
    }

    @Test
    void aFailedOverSecondaryTakesNoStreamAnyMore() {
        final ReplicatedPair pair = pair().start();
        writeAsGuest(pair, 1);
        pair.checkpoint();
        pair.requireEqual();
        final Path model = rig.write(rig.path("model"), 0, Rig.read(pair.primaryDisk("a")));
        pair.failOver();
        try (Control control = pair.primaryControl()) {
            final String error = awaitError(control);
            assertTrue(error.contains("peer is newer"), error);
            control.execute("x-lockstep-promote"); // its guest waits for that
            writeAsGuest(pair, 2);
            control.await("a split brain", status -> status.toString().contains("split brain"));
        }
        ReplicatedPair.assertSame(model, pair.secondaryDisk("a"));
    }

    @Test
    void twoProcessesDontShareADisk() {
        final ReplicatedPair pair = pair().start();
        final ReplicatedPair again = new ReplicatedPair(rig, "2", 1, LENGTH);
        final List<String> arguments = new ArrayList<>(again.secondaryArguments());
        arguments.replaceAll(
                argument -> argument.startsWith("a=") ? "a=" + pair.secondaryDisk("a") : argument);
        final String message = rig.serverInVain(arguments);
        assertTrue(message.contains(pair.secondaryDisk("a").toString()), message);
    }

    @Test
    void aReadOnlyDeviceIsRefused() throws IOException {
        assumeTrue(Files.isWritable(Path.of("/dev/loop-control")), "only root makes loop devices");
        final ReplicatedPair pair = pair();
        final Tool.Output attached =
                rig.end(
                        Tool.LOSETUP,
                        "--read-only",
                        "--find",
                        "--show",
                        pair.secondaryDisk("a").toString());
        assumeTrue(attached.exitCode() == 0, attached::toString);
        final String device = attached.out().strip();
        rig.keep(() -> rig.end(Tool.LOSETUP, "--detach", device));
        final List<String> arguments = new ArrayList<>(pair.secondaryArguments());
        arguments.replaceAll(argument -> argument.startsWith("a=") ? "a=" + device : argument);
        final String message = rig.serverInVain(arguments);
        assertTrue(message.contains(device), message);
    }

    // ---- Buffers.

    @Test
    void buffersOfADiskOfAnotherLengthAreRefused() throws IOException {
        final ReplicatedPair pair = pair();
        pair.startSecondary().stop();
        truncate(pair.secondaryDisk("a"), LENGTH * 2L);
        final String message = rig.serverInVain(pair.secondaryArguments());
        assertTrue(message.contains(pair.buffers().toString()), message);
    }

    @Test
    void buffersOfAnotherDiskAreRefused() {
        final ReplicatedPair pair = pair();
        pair.startSecondary().stop();
        final List<String> arguments = new ArrayList<>(pair.secondaryArguments());
        arguments.replaceAll(
                argument -> argument.startsWith("a=") ? "b=" + pair.secondaryDisk("a") : argument);
        final String message = rig.serverInVain(arguments);
        assertTrue(message.contains(pair.buffers().toString()), message);
    }

    @Test
    void buffersThatAreNoneOrOfAnotherVersionAreRefused() throws IOException {
        final ReplicatedPair pair = pair();
        pair.startSecondary().stop();
        final String[] files = pair.buffers().toFile().list();
        for (final String file : files) {
            final Path path = pair.buffers().resolve(file);
            final byte[] first = new byte[16];
            try (RandomAccessFile content = new RandomAccessFile(path.toFile(), "rw")) {
                if (content.length() < first.length || content.readLong() == 0) {
                    continue; // without a header
                }
                content.seek(0);
                content.readFully(first);
                content.seek(0);
                content.write(Rig.randomBytes(first.length, 5));
            }
            final String message = rig.serverInVain(pair.secondaryArguments());
            assertTrue(message.contains(pair.buffers().toString()), message);
            rig.write(path, 0, first);
        }
        pair.startSecondary();
    }

    @Test
    void aSecondaryThatHasLostItsBuffersIsMadeEqualByItsPrimary() throws IOException {
        final ReplicatedPair pair = pair().start();
        writeAsGuest(pair, 1);
        pair.checkpoint();
        writeAsGuest(pair, 2);
        pair.requireEqual();
        pair.secondary().kill();
        for (final String file : pair.buffers().toFile().list()) {
            truncate(pair.buffers().resolve(file), 0);
        }
        // All of it is gone, and with it the way back to the checkpoint.
        pair.startSecondary();
        writeAsGuest(pair, 3);
        pair.awaitHealed();
    }

    @Test
    void fullBuffersStopTheStreamBeforeTheOverwrite() {
        checkFullBuffers(pair().withSecondary("--buffer-limit", "1M").start());
    }

    @Test
    void aFullFileSystemStopsTheStreamBeforeTheOverwrite() throws IOException {
        final Path mount = Files.createDirectory(rig.path("mnt"));
        final Tool.Output mounted =
                rig.end(Tool.MOUNT, "-t", "tmpfs", "-o", "size=6m", "none", mount.toString());
        assumeTrue(mounted.exitCode() == 0, mounted::toString);
        rig.keep(() -> rig.run(Tool.UMOUNT, "--lazy", mount.toString()));
        // More than there is: by themselves buffers leave half of a file system to others.
        checkFullBuffers(
                pair().withBuffers(mount.resolve("b"))
                        .withSecondary("--buffer-limit", "64M")
                        .start());
    }

    /** Holes take no room in the buffers, so the disk is filled first; then it is too much. */
    private void checkFullBuffers(final ReplicatedPair pair) {
        writeAsGuest(pair, 1);
        pair.checkpoint();
        final Path model = rig.write(rig.path("model"), 0, Rig.read(pair.primaryDisk("a")));
        writeAsGuest(pair, 2);
        try (Control control = pair.secondaryControl()) {
            final String error = awaitError(control);
            assertTrue(error.contains("ENOSPC"), error);
            assertEquals("broken", control.state());
        }
        try (Control control = pair.primaryControl()) {
            awaitError(control);
        }
        writeAsGuest(pair, 3);
        pair.failOver();
        ReplicatedPair.assertSame(model, pair.secondaryDisk("a"));
        rig.python(
                """
                h = connect(sys.argv[1])
                same(h.pread(1 << 20, 0), pattern(1 << 20, 1))
                h.pwrite(pattern(1 << 20, 4), 0)
                same(h.pread(1 << 20, 0), pattern(1 << 20, 4))
                """,
                pair.secondaryGuest("a"));
    }

    // ---- Peers that are no secondaries.

    /** The primary says what is in the way, serves its guest, and ends in order. */
    @Test
    void aPeerThatTalksNonsenseIsWaitedFor() {
        final ReplicatedPair pair = pair();
        final Program peer =
                rig.startPython(
                        """
                        import socket
                        s = socket.socket(socket.AF_UNIX)
                        s.bind(sys.argv[1])
                        s.listen()
                        print('listening')
                        clients = []
                        while True:
                            clients.append(s.accept()[0])
                            try:
                                clients[-1].sendall(b'HTTP/1.1 400 Bad Request\\r\\n\\r\\n')
                            except OSError:
                                pass # it has left again
                        """,
                        pair.linkSocket().toString());
        peer.awaitLine(line -> line.equals("listening"));
        final LockstepProcess primary = pair.startPrimary();
        writeAsGuest(pair, 1);
        try (Control control = pair.primaryControl()) {
            assertFalse(control.status().get("linked").getAsBoolean());
        }
        assertEquals(0, primary.stop(), primary::toString);
        final String said = primary.err();
        assertTrue(said.contains("waiting for the secondary: "), said);
        assertTrue(said.contains("it is no NBD server"), said);
    }

    // ---- Secondaries of other makers.

    private ReplicatedPair foreign(final String... nbdkitArguments) {
        Peer.nbdkit(rig, nbdkitArguments);
        // Zero at the start, as the primary disk is.
        final ReplicatedPair pair = pair().withLink(rig.socket()).withPrimary("--assume-identical");
        pair.startPrimary();
        return pair;
    }

    @Test
    void aForeignSecondaryGetsAllWrites() {
        final ReplicatedPair pair = foreign("memory", Integer.toString(LENGTH));
        final OverlappingWrites guest = OverlappingWrites.start(rig, pair.guest("a"), LENGTH, 4711);
        guest.await(3000);
        guest.stop();
        awaitDrained(pair);
        final Path copy = rig.path("copy.img");
        rig.run(Tool.NBDCOPY, rig.uri("a"), copy.toString());
        ReplicatedPair.assertSame(pair.primaryDisk("a"), copy);
    }

    @Test
    void aSlowForeignSecondaryDoesNotSlowTheGuest() {
        final ReplicatedPair pair =
                foreign("--filter=delay", "memory", Integer.toString(LENGTH), "wdelay=5ms");
        writeAsGuest(pair, 1);
        awaitDrained(pair);
        final Path copy = rig.path("copy.img");
        rig.run(Tool.NBDCOPY, rig.uri("a"), copy.toString());
        ReplicatedPair.assertSame(pair.primaryDisk("a"), copy);
    }

    @Test
    void aForeignSecondaryThatKeepsNothingIsNoticedByNobody() {
        final ReplicatedPair pair = foreign("null", Integer.toString(LENGTH));
        writeAsGuest(pair, 1);
        awaitDrained(pair);
    }

    /** That it fails none of the sixteen writes is one chance in 65,536. */
    @Test
    void aForeignSecondaryThatFailsWritesIsAnError() {
        final ReplicatedPair pair =
                foreign(
                        "--filter=error",
                        "memory",
                        Integer.toString(LENGTH),
                        "error-pwrite=EIO",
                        "error-pwrite-rate=50%");
        writeAsGuest(pair, 1);
        try (Control control = pair.primaryControl()) {
            final String error = awaitError(control);
            assertTrue(error.contains("input/output error"), error);
        }
        writeAsGuest(pair, 2);
    }

    private static void awaitDrained(final ReplicatedPair pair) {
        try (Control control = pair.primaryControl()) {
            control.awaitDrained();
        }
    }

    private static void truncate(final Path file, final long length) throws IOException {
        try (RandomAccessFile content = new RandomAccessFile(file.toFile(), "rw")) {
            content.setLength(length);
        }
    }
}
