package io.lockstep.engine.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.Optional;

/** Whether the disks are those that a state was made for. */
final class DiskIdentityTest {
    private static final DiskIdentity VDA = new DiskIdentity("vda", 4096, "inode 12");
    private static final DiskIdentity VDB = new DiskIdentity("vdb", 8192, "");

    private static void assertDiffers(
            final List<DiskIdentity> expected,
            final List<DiskIdentity> found,
            final String sentence) {
        final String difference = DiskIdentity.difference(expected, found).orElseThrow();
        assertTrue(difference.startsWith(sentence + "; give it the disks"), difference);
        assertTrue(difference.contains("'lockstep state --forget'"), difference);
    }

    @Test
    void theSameDisksInAnyOrderAreTheSame() {
        assertEquals(
                Optional.empty(), DiskIdentity.difference(List.of(VDA, VDB), List.of(VDB, VDA)));
    }

    @Test
    void whatNothingTellsIsNotCompared() {
        for (final DiskIdentity other :
                List.of(
                        VDA,
                        new DiskIdentity("vda", 4096, ""),
                        new DiskIdentity("vda", 4096, "inode 12, born 2026"))) {
            assertEquals(Optional.empty(), DiskIdentity.difference(List.of(VDA), List.of(other)));
            assertEquals(Optional.empty(), DiskIdentity.difference(List.of(other), List.of(VDA)));
        }
    }

    @Test
    void otherDisksAreToldByTheirNames() {
        assertDiffers(
                List.of(VDA, VDB),
                List.of(VDA),
                "the state is that of a group of the disks vda, vdb, and there are vda");
        assertDiffers(
                List.of(VDA),
                List.of(VDB),
                "the state is that of a group of the disks vda, and there are vdb");
    }

    @Test
    void aFileThatWasCutShortIsToldAsThat() {
        assertEquals(
                Optional.of(
                        "disk vda: the state is that of 4096 bytes, and its file has 512: it was"
                                + " cut short, and what was behind that is gone. Put what it had"
                                + " back into the file; or, where the peer has it, make the file as"
                                + " long again (truncate -s 4096), say 'lockstep join --state' with"
                                + " this directory, and start the node again: it gets what it lacks"
                                + " as the peer's secondary"),
                DiskIdentity.difference(
                        List.of(VDB, VDA), List.of(VDB, new DiskIdentity("vda", 512, "inode 12"))));
        assertDiffers(
                List.of(VDA),
                List.of(new DiskIdentity("vda", 512, "inode 13")),
                "disk vda: the state is that of 4096 bytes (inode 12), and there is 512 bytes"
                        + " (inode 13)");
    }

    @Test
    void anotherFileInItsPlaceIsToldByLengthAndBacking() {
        assertDiffers(
                List.of(VDB, VDA),
                List.of(VDB, new DiskIdentity("vda", 8192, "inode 12")),
                "disk vda: the state is that of 4096 bytes (inode 12), and there is 8192 bytes"
                        + " (inode 12)");
        assertDiffers(
                List.of(VDA),
                List.of(new DiskIdentity("vda", 4096, "inode 13")),
                "disk vda: the state is that of 4096 bytes (inode 12), and there is 4096 bytes"
                        + " (inode 13)");
        assertDiffers(
                List.of(VDA),
                List.of(new DiskIdentity("vda", 4096, "inode 121, born 2026")),
                "disk vda: the state is that of 4096 bytes (inode 12), and there is 4096 bytes"
                        + " (inode 121, born 2026)");
    }
}
