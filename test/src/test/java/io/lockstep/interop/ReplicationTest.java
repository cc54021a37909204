package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A replicated pair of real processes under the programs that people use. */
@ParameterizedClass
@EnumSource(Rig.Place.class)
final class ReplicationTest {
    private static final int LENGTH = 32 << 20;

    @AutoClose private final Rig rig;

    ReplicationTest(final Rig.Place place) {
        rig = new Rig(place);
    }

    /** The example of QEMU's document, in which the secondary's guest diverges. */
    @Test
    void eachSideSeesWhatQemuWouldShowIt() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(b'\\x11' * (4 << 20), 0)
                """,
                pair.guest("a"));
        pair.checkpoint();
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(b'\\x22' * 65536, 1 << 20)
                h.pwrite(b'\\x44' * 65536, 2 << 20)
                """,
                pair.guest("a"));
        pair.requireEqual();
        final String look =
                """
                h = connect(sys.argv[1])
                print([h.pread(1, at << 20).hex() for at in range(3)])
                """;
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(b'\\x33' * 65536, 2 << 20)
                """,
                pair.secondaryGuest("a"));
        assertEquals("['11', '11', '33']\n", rig.python(look, pair.secondaryGuest("a")).out());
        assertEquals("['11', '22', '44']\n", rig.python(look, pair.guest("a")).out());
        pair.requireEqual();
        pair.failOver();
        assertEquals("['11', '11', '33']\n", rig.python(look, pair.secondaryGuest("a")).out());
        final byte[] disk = Rig.read(pair.secondaryDisk("a"));
        assertEquals(0x11, disk[0]);
        assertEquals(0x11, disk[1 << 20]);
        assertEquals(0x33, disk[2 << 20]);
    }

    /** A disk of no bytes is one like others, by itself and beside others of its group. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void anEmptyDiskIsReplicated(final int diskCount) {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", diskCount, 0);
        if (diskCount > 1) {
            rig.hole("pa.img", LENGTH);
            rig.hole("sa.img", LENGTH);
        }
        pair.start();
        assertEquals(1, pair.checkpoint());
        for (final String disk : pair.disks()) {
            rig.python(
                    """
                    for uri in sys.argv[1:]:
                        h = connect(uri)
                        if h.get_size() > 0:
                            h.pwrite(b'1' * 4096, 0)
                        h.flush()
                    """,
                    pair.guest(disk),
                    pair.secondaryGuest(disk));
        }
        assertEquals(2, pair.checkpoint());
        pair.requireEqual();
        pair.failOver();
        ReplicatedPair.assertSame(pair.primaryDisk("a"), pair.secondaryDisk("a"));
    }

    @Test
    void writesOfFioVerifyWhileCheckpointsGoBy() {
        final ReplicatedPair pair =
                new ReplicatedPair(rig, "", 1, LENGTH)
                        .withPrimary("--checkpoint-every", "50ms")
                        .start();
        rig.run(
                Tool.FIO,
                "--name=verify",
                "--ioengine=nbd",
                "--uri=" + pair.guest("a"),
                "--rw=randwrite",
                "--bsrange=4k-64k",
                "--size=8M",
                "--offset_increment=8M",
                "--numjobs=4",
                "--thread",
                "--iodepth=16",
                "--loops=4",
                "--verify=crc32c",
                "--verify_fatal=1",
                "--do_verify=1",
                "--randseed=4711",
                "--group_reporting");
        pair.requireEqual();
        try (Control control = pair.primaryControl()) {
            assertTrue(
                    control.status().get("committed-epoch").getAsLong() > 1,
                    () -> "checkpoints were made: " + control.status());
        }
        pair.checkpoint();
        pair.failOver();
        ReplicatedPair.assertSame(pair.primaryDisk("a"), pair.secondaryDisk("a"));
    }

    @Test
    void overlappingWritesOfManyConnectionsConverge() {
        final ReplicatedPair pair =
                new ReplicatedPair(rig, "", 1, LENGTH)
                        .withPrimary("--checkpoint-every", "20ms")
                        .start();
        final OverlappingWrites guest = OverlappingWrites.start(rig, pair.guest("a"), LENGTH, 4711);
        guest.await(10_000);
        guest.stop();
        pair.requireEqual();
    }

    @Test
    void aFileSystemThatFailsOverIsTheOneOfTheCheckpoint() throws IOException {
        final Path tree = Files.createDirectories(rig.path("tree/folder"));
        for (int i = 0; i < 20; i++) {
            Files.write(tree.resolve("file" + i), Rig.randomBytes(10_000 * i, i));
        }
        final Path image = rig.hole("ext4.img", LENGTH);
        rig.run(
                Tool.MKE2FS,
                "-q",
                "-F",
                "-t",
                "ext4",
                "-d",
                rig.path("tree").toString(),
                image.toString());
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        rig.run(Tool.NBDCOPY, image.toString(), pair.guest("a"));
        ReplicatedPair.assertSame(image, pair.primaryDisk("a"));
        pair.checkpoint();
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(pattern(1 << 20), 0)
                h.zero(1 << 20, 4 << 20)
                """,
                pair.guest("a"));
        pair.requireEqual();
        pair.primary().kill();
        pair.failOver();
        ReplicatedPair.assertSame(image, pair.secondaryDisk("a"));
        rig.run(Tool.E2FSCK, "-f", "-n", pair.secondaryDisk("a").toString());
    }

    @Test
    void theGuestOfAFailedOverSecondaryWritesOn() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        final Program guest =
                rig.startPython(
                        """
                        import time
                        h = connect(sys.argv[1])
                        n = 0
                        end = time.monotonic() + 20
                        while not os.path.exists(sys.argv[2]) and time.monotonic() < end:
                            n += 1
                            at = n * 37 % 1024 * 4096
                            data = n.to_bytes(8, 'big') * 512
                            h.pwrite(data, at)
                            same(h.pread(4096, at), data, f'write {n}')
                            if n % 32 == 0:
                                print('count', n)
                        for k in range(max(1, n - 1023), n + 1):
                            same(h.pread(4096, k * 37 % 1024 * 4096), k.to_bytes(8, 'big') * 512)
                        print('done')
                        """,
                        pair.secondaryGuest("a"), rig.path("enough").toString());
        rig.python(
                """
                h = connect(sys.argv[1])
                for at in range(0, h.get_size(), 1 << 20):
                    h.pwrite(pattern(1 << 20, at), at)
                """,
                pair.guest("a"));
        guest.awaitLine(line -> line.startsWith("count"));
        pair.requireEqual();
        pair.failOver();
        rig.random("enough", 1, 1);
        assertEquals(0, guest.awaitExit(), guest::transcript);
    }

    @Test
    void aPrimaryStoppedInGoodOrderHasSentAll() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        rig.run(Tool.NBDCOPY, rig.random("source", LENGTH, 3).toString(), pair.guest("a"));
        assertEquals(0, pair.primary().stop(), pair::toString);
        ReplicatedPair.assertSame(pair.primaryDisk("a"), pair.secondaryDisk("a"));
        assertEquals(0, pair.secondary().stop(), pair::toString);
    }
}
