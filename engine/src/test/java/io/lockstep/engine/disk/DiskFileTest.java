package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.DiskIdentity;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;

final class DiskFileTest {
    @TempDir private Path directory;

    @Test
    void takesAFileOfAnyLength() throws IOException {
        try (DiskFile file = DiskFile.open("d", image(12_345), false)) {
            assertEquals(12_345, file.length());
        }
        try (DiskFile file = DiskFile.open("d", image(0), false)) {
            assertEquals(0, file.length());
        }
    }

    /** It is used as it is recorded to be, and what it has behind that is told when asked for. */
    @Test
    void theRestOfALongerFileIsNotUsedUnlessItIsSaid() throws IOException {
        final Path path = image(10_000);
        try (DiskFile file = DiskFile.open("d", path, false)) {
            file.keepTo(20_000);
            assertEquals(10_000, file.length());
            assertTrue(file.isHoleBehind());
            try (RandomAccessFile image = new RandomAccessFile(path.toFile(), "rw")) {
                image.setLength(30_000);
                assertEquals(30_000, file.lengthThere());
                assertTrue(file.isHoleBehind());
                image.seek(10_001); // in the block that has the end
                image.write(7);
                assertFalse(file.isHoleBehind());
                image.seek(10_001);
                image.write(0);
                assertTrue(file.isHoleBehind());
                image.seek(25_000);
                image.write(7);
                assertFalse(file.isHoleBehind());
            }
            file.lengthen(30_000);
            assertEquals(30_000, file.look());
        }
        try (DiskFile file = DiskFile.open("d", path, false)) {
            file.keepTo(10_000);
            assertEquals(10_000, file.identity().length());
        }
    }

    @Test
    void refusesASecondWriterUntilTheFirstIsGone() throws IOException {
        final Path path = image(8192);
        final DiskFile first = DiskFile.open("d", path, false);
        assertRefused(path, false, "in use");
        assertRefused(path, true, "in use");
        first.close();
        DiskFile.open("d", path, false).close();
    }

    @Test
    void letsReadersShareAndKeepsWritersOut() throws IOException {
        final Path path = image(8192);
        try (DiskFile first = DiskFile.open("d", path, true);
                DiskFile second = DiskFile.open("d", path, true)) {
            assertTrue(first.isReadOnly() && second.isReadOnly());
            assertRefused(path, false, "in use");
        }
    }

    @Test
    void saysWhatIsWrongWithAPath() throws IOException, InterruptedException {
        assertRefused(directory.resolve("missing"), false, "no such file; make one with: truncate");
        assertRefused(directory, false, "it is a directory");
        assertRefused(Path.of("/dev/null"), false, "neither a regular file nor a block device");
        final Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        assertRefused(fifo, false, "neither a regular file nor a block device");
    }

    private DiskIdentity identity(final Path path) throws IOException {
        try (DiskFile file = DiskFile.open("vda", path, false)) {
            return file.identity();
        }
    }

    @Test
    void tellsAFileFromAnotherInItsPlace() throws IOException {
        final Path path = image(8192);
        final DiskIdentity first = identity(path);
        assertEquals("vda", first.name());
        assertEquals(8192, first.length());
        assertTrue(first.backing().startsWith("inode "), first.backing());
        assertEquals(first, identity(path));
        Files.write(path, new byte[] {1, 2, 3}, StandardOpenOption.WRITE);
        assertEquals(first, identity(path), "the same file with other content");
        final Path other = Files.write(directory.resolve("other"), new byte[8192]);
        Files.move(other, path, StandardCopyOption.REPLACE_EXISTING);
        assertTrue(
                DiskIdentity.difference(List.of(first), List.of(identity(path))).isPresent(),
                first.backing());
    }

    /** A device as sysfs shows it, in a directory that stands for it. */
    @Test
    void tellsADeviceByTheNameThatItHasOfItsOwn() throws IOException {
        final Path device = Files.createDirectories(directory.resolve("sda"));
        assertEquals("", Backing.ofDevice(device));
        assertEquals("", Backing.ofDevice(directory.resolve("missing")));
        Files.writeString(device.resolve("serial"), "  QM 01\n");
        assertEquals("serial QM 01", Backing.ofDevice(device));
        Files.createDirectories(device.resolve("device"));
        Files.writeString(device.resolve("device/wwid"), "naa.5000c500\u0000\n");
        assertEquals("wwid naa.5000c500", Backing.ofDevice(device));
        final Path partition = Files.createDirectories(device.resolve("sda2"));
        Files.writeString(partition.resolve("partition"), "2\n");
        assertEquals("partition 2 of wwid naa.5000c500", Backing.ofDevice(partition));
        Files.createDirectories(device.resolve("dm"));
        Files.writeString(device.resolve("dm/uuid"), "LVM-" + "x".repeat(500));
        final String longest = Backing.ofDevice(partition);
        assertTrue(longest.startsWith("partition 2 of dm/uuid LVM-xxx"), longest);
        assertEquals(longest, new DiskIdentity("vda", 1, longest).backing());
        Files.writeString(device.resolve("dm/uuid"), "\n");
        assertEquals("wwid naa.5000c500", Backing.ofDevice(device));
    }

    private Path image(final int length) throws IOException {
        return Files.write(directory.resolve("image"), new byte[length]);
    }

    private static void assertRefused(
            final Path path, final boolean readOnly, final String reason) {
        final DiskException thrown =
                assertThrows(
                        DiskException.class, () -> DiskFile.open("vda", path, readOnly).close());
        assertTrue(
                thrown.getMessage().startsWith("disk vda: cannot open " + path + ": "),
                thrown.getMessage());
        assertTrue(thrown.getMessage().contains(reason), thrown.getMessage());
    }
}
