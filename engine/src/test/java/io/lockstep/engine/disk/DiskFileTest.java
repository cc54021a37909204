package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

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
