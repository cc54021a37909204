package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The failures of docs/failures.md in real processes, by their numbers: what the guest gets, what
 * the manager is told, and what holds afterwards. Failure 2 is in {@link ReplicationFailureTest},
 * with secondaries that refuse, and so is failure 3, with buffers that are full. What fails here is
 * a file system without room, the only disk that fails at will.
 */
final class SevenFailuresTest {
    private static final int LENGTH = 8 << 20;

    @AutoClose private final Rig rig = new Rig();

    private int mounts;

    /** A file system of its own; as root only. */
    private Path mount(final String options) throws IOException {
        final Path mount = Files.createDirectory(rig.path("mnt" + mounts++));
        final Tool.Output mounted =
                rig.end(Tool.MOUNT, "-t", "tmpfs", "-o", options, "none", mount.toString());
        assumeTrue(mounted.exitCode() == 0, mounted::toString);
        rig.keep(() -> rig.run(Tool.UMOUNT, "--lazy", mount.toString()));
        return mount;
    }

    /** Puts one of a pair's disks where there is room for the half of it. */
    private Path moveToSmallFileSystem(final Path disk) throws IOException {
        final Path small = mount("size=" + LENGTH / 2).resolve("disk.img");
        Files.delete(disk);
        Files.createSymbolicLink(disk, small);
        rig.hole(rig.directory().relativize(small).toString(), LENGTH);
        return small;
    }

    /** Prints what the manager is told, from now on. */
    private Program listen(final Path control) {
        final Program manager =
                rig.startPython(
                        """
                        import socket
                        s = socket.socket(socket.AF_UNIX)
                        s.connect(sys.argv[1])
                        f = s.makefile()
                        f.readline()
                        s.sendall(b'{"execute": "qmp_capabilities"}')
                        for line in f:
                            print('told', line.strip())
                        """,
                        control.toString());
        manager.awaitLine(line -> line.contains("return"));
        return manager;
    }

    /** Writes all of a disk, megabyte by megabyte; prints how many of them failed, and how. */
    private String write(final String uri, final int value) {
        return rig.python(
                        """
                        h = connect(sys.argv[1])
                        data = sys.argv[2].encode() * (1 << 20)
                        failed = []
                        for at in range(0, h.get_size(), 1 << 20):
                            try:
                                h.pwrite(data, at)
                            except nbd.Error as e:
                                failed.append(e.errnum and __import__('errno').errorcode[e.errnum])
                        print(len(failed), *sorted(set(failed)))
                        """,
                        uri,
                        Integer.toString(value))
                .out()
                .strip();
    }

    private static Path controlOf(final ReplicatedPair pair, final boolean primary) {
        return primary ? pair.primaryControlSocket() : pair.secondaryControlSocket();
    }

    @Test
    void failure1ThePrimaryDiskFailsAndBothDisksStayEqual() throws IOException {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH);
        moveToSmallFileSystem(pair.primaryDisk("a"));
        pair.start();
        final Program manager = listen(controlOf(pair, true));
        final String failed = write(pair.guest("a"), 1);
        assertTrue(failed.endsWith(" ENOSPC"), failed);
        manager.awaitLine(line -> line.contains("BLOCK_IO_ERROR"));
        pair.requireEqual();
        pair.checkpoint();
        try (Control control = pair.primaryControl()) {
            assertEquals("running", control.state());
        }
        pair.failOver();
        ReplicatedPair.assertSame(pair.primaryDisk("a"), pair.secondaryDisk("a"));
    }

    @Test
    void failure4TheSecondaryDiskFailsAndThePrimaryGoesOn() throws IOException {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH);
        moveToSmallFileSystem(pair.secondaryDisk("a"));
        pair.start();
        rig.python("connect(sys.argv[1]).pwrite(b'0' * (1 << 20), 0)", pair.guest("a"));
        pair.checkpoint();
        final Program manager = listen(controlOf(pair, false));
        assertEquals("0", write(pair.guest("a"), 1), "the guest of the primary");
        manager.awaitLine(line -> line.contains("X_LOCKSTEP_REPLICATION_ERROR"));
        try (Control control = pair.primaryControl()) {
            control.await("broken", status -> status.has("error"));
        }
        assertEquals("0", write(pair.guest("a"), 2));
        pair.failOver();
        final byte[] disk = Rig.read(pair.secondaryDisk("a"));
        assertEquals('0', disk[(1 << 20) - 1]);
        assertEquals(0, disk[1 << 20]);
    }

    @Test
    void failure5TheActiveDiskIsFullAndTheStreamGoesOn() {
        final ReplicatedPair pair =
                new ReplicatedPair(rig, "", 1, LENGTH)
                        .withSecondary("--buffer-limit", "1M")
                        .start();
        final Program manager = listen(controlOf(pair, false));
        final String failed = write(pair.secondaryGuest("a"), 7);
        assertTrue(failed.endsWith(" ENOSPC"), failed);
        manager.awaitLine(line -> line.contains("BLOCK_IO_ERROR"));
        rig.python("connect(sys.argv[1]).pwrite(b'1' * 4096, 0)", pair.guest("a"));
        pair.checkpoint();
        pair.requireEqual();
        rig.python(
                "same(connect(sys.argv[1]).pread(4096, 0), b'1' * 4096)", pair.secondaryGuest("a"));
    }

    @Test
    void failure6ACommitThatCantBeLeavesTheCheckpointAsItWas() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        write(pair.guest("a"), 1);
        final long epoch = pair.checkpoint();
        write(pair.guest("a"), 2);
        try (Control control = pair.primaryControl()) {
            final String refusal = control.refused("x-lockstep-commit", "epoch", epoch + 1);
            assertTrue(refusal.contains("can't be committed"), refusal);
            assertEquals(epoch, control.status().get("committed-epoch").getAsLong());
        }
        rig.python(
                "same(connect(sys.argv[1]).pread(4096, 0), b'1' * 4096)", pair.secondaryGuest("a"));
        assertEquals(epoch + 1, pair.checkpoint());
        rig.python(
                "same(connect(sys.argv[1]).pread(4096, 0), b'2' * 4096)", pair.secondaryGuest("a"));
    }

    /** The guest's own writes fill holes of the disk, for which there is no room. */
    @Test
    void failure7AMergeThatFailsGoesOnWhenThereIsRoom() throws IOException {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH);
        final Path small = moveToSmallFileSystem(pair.secondaryDisk("a"));
        pair.start();
        final Program manager = listen(controlOf(pair, false));
        assertEquals("0", write(pair.secondaryGuest("a"), 3));
        try (Control control = pair.secondaryControl()) {
            control.execute("x-lockstep-failover", "{'force': true}");
            manager.awaitLine(line -> line.contains("BLOCK_JOB_ERROR"));
            assertEquals("merging", control.state());
            rig.python(
                    "h = connect(sys.argv[1])\n"
                            + "same(h.pread(1 << 20, 7 << 20), b'3' * (1 << 20))",
                    pair.secondaryGuest("a"));
            rig.run(Tool.MOUNT, "-o", "remount,size=" + 2 * LENGTH, small.getParent().toString());
            control.awaitMerged();
        }
        final byte[] disk = Rig.read(pair.secondaryDisk("a"));
        assertEquals('3', disk[0]);
        assertEquals('3', disk[LENGTH - 1]);
        assertFalse(Files.exists(pair.buffers()));
    }

    @Test
    void aDiskOnAReadOnlyFileSystemIsRefusedOnEitherSide() throws IOException {
        final Path mount = mount("size=16m");
        final Path disk = mount.resolve("disk.img");
        rig.hole(rig.directory().relativize(disk).toString(), LENGTH);
        rig.run(Tool.MOUNT, "-o", "remount,ro", mount.toString());
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH);
        final String secondary =
                rig.serverInVain(
                        pair.secondaryArguments().stream()
                                .map(argument -> argument.startsWith("a=") ? "a=" + disk : argument)
                                .toList());
        assertTrue(secondary.contains(disk.toString()), secondary);
        pair.startSecondary();
        final String primary =
                rig.serverInVain(
                        pair.primaryArguments().stream()
                                .map(argument -> argument.startsWith("a=") ? "a=" + disk : argument)
                                .toList());
        assertTrue(primary.contains(disk.toString()), primary);
    }

    /** It is there, and does nothing at all; then it does. */
    @Test
    void aSecondaryThatStandsStillHoldsUpNobody() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        pair.secondary().signal("STOP");
        assertEquals("0", write(pair.guest("a"), 4));
        try (Control control = pair.primaryControl()) {
            assertTrue(control.status().get("lag-bytes").getAsLong() > 0);
        }
        pair.secondary().signal("CONT");
        pair.requireEqual();
        pair.checkpoint();
    }
}
