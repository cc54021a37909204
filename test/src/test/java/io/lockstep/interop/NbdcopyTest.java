package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;

/** {@code lockstep serve} against nbdcopy, which copies over several connections at a time. */
@ParameterizedClass
@EnumSource(Rig.Place.class)
final class NbdcopyTest {
    private static final int LENGTH = 12 << 20;

    @AutoClose private final Rig rig;
    private Path sparse;

    NbdcopyTest(final Rig.Place place) {
        rig = new Rig(place);
    }

    /** A file with data at its start, in its middle and at its end. */
    @BeforeEach
    void makeSparseFile() {
        sparse = rig.hole("sparse.img", LENGTH);
        rig.write(sparse, 0, Rig.randomBytes(100_000, 1));
        rig.write(sparse, 5 << 20, Rig.randomBytes(3 << 20, 2));
        rig.write(sparse, LENGTH - 4096, Rig.randomBytes(4096, 3));
    }

    @Test
    void aFileIsCopiedInAndStaysSparse() {
        final Path disk = rig.hole("disk.img", LENGTH);
        rig.serve(disk);
        rig.run(
                Tool.NBDCOPY,
                "--connections=4",
                "--requests=64",
                "--flush",
                sparse.toString(),
                rig.uri());
        assertArrayEquals(Rig.read(sparse), Rig.read(disk));
        assertEquals(rig.allocated(sparse), rig.allocated(disk));
    }

    @Test
    void whatADiskHeldBeforeGivesWayToHoles() {
        final Path disk = rig.random("disk.img", LENGTH, 4);
        rig.serve(disk);
        rig.run(Tool.NBDCOPY, "--connections=4", sparse.toString(), rig.uri());
        assertArrayEquals(Rig.read(sparse), Rig.read(disk));
        assertEquals(rig.allocated(sparse), rig.allocated(disk));
    }

    @Test
    void allocatedZeroesStayAllocated() {
        final Path disk = rig.random("disk.img", LENGTH, 4);
        final long full = rig.allocated(disk);
        rig.serve(disk);
        rig.run(Tool.NBDCOPY, "--allocated", sparse.toString(), rig.uri());
        assertArrayEquals(Rig.read(sparse), Rig.read(disk));
        assertEquals(full, rig.allocated(disk));
    }

    @Test
    void aDiskIsCopiedOutAndStaysSparse() {
        rig.serve(sparse);
        final Path copy = rig.path("copy.img");
        rig.run(Tool.NBDCOPY, "--connections=4", rig.uri(), copy.toString());
        assertArrayEquals(Rig.read(sparse), Rig.read(copy));
        assertEquals(rig.allocated(sparse), rig.allocated(copy));
    }

    /** It takes four connections where it is told that it may, and fails where one is refused. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void noLimitOfConnectionsStandsInACopysWay(final int connectionsMax) {
        rig.serveWith(
                "--disk",
                "disk=" + sparse,
                "--max-connections",
                Integer.toString(connectionsMax),
                "--listen",
                rig.uri(""));
        final Path copy = rig.path("copy.img");
        rig.run(Tool.NBDCOPY, rig.uri(), copy.toString());
        assertArrayEquals(Rig.read(sparse), Rig.read(copy));
    }

    @Test
    void oneLockstepIsCopiedToAnother() {
        final Path disk = rig.hole("disk.img", LENGTH);
        rig.serveWith("--disk", "from=" + sparse, "--read-only", "--listen", rig.uri(""));
        final LockstepProcess target =
                rig.serveWith("--disk", "to=" + disk, "--listen", "nbd://localhost:0");
        rig.run(
                Tool.NBDCOPY,
                "--connections=4",
                rig.uri("from"),
                "nbd://localhost:" + target.port() + "/to");
        assertArrayEquals(Rig.read(sparse), Rig.read(disk));
        assertEquals(rig.allocated(sparse), rig.allocated(disk));
    }

    @Test
    void synchronousCopiesWorkBothWays() {
        final Path disk = rig.hole("disk.img", LENGTH);
        rig.serve(disk);
        rig.run(Tool.NBDCOPY, "--synchronous", sparse.toString(), rig.uri());
        final Path copy = rig.path("copy.img");
        rig.run(Tool.NBDCOPY, "--synchronous", rig.uri(), copy.toString());
        assertArrayEquals(Rig.read(sparse), Rig.read(copy));
    }
}
