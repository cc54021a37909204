package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

final class MappedFileTest {
    private static final long LENGTH = 1 << 20;

    @TempDir private Path directory;

    @Test
    void keepsWhatWasWrittenAndTakesItsSpaceAtOnce() throws IOException {
        final Path path = directory.resolve("segment");
        try (MappedFile file = MappedFile.allocate(path, LENGTH)) {
            assertEquals(LENGTH, Files.size(path));
            file.segment().set(ValueLayout.JAVA_LONG, LENGTH - 8, 42);
        }
        try (MappedFile file = MappedFile.allocate(path, LENGTH)) {
            assertEquals(42, file.segment().get(ValueLayout.JAVA_LONG, LENGTH - 8));
            assertEquals(0, file.segment().get(ValueLayout.JAVA_LONG, 0));
        }
    }

    @Test
    void namesTheErrorWhereTheSpaceCannotBeHad() {
        final Path path = directory.resolve("too-large");
        final IOException thrown =
                assertThrows(IOException.class, () -> MappedFile.allocate(path, 1L << 55).close());
        assertTrue(thrown.getMessage().contains(path.toString()), thrown.getMessage());
        assertTrue(thrown.getMessage().matches(".*\\((ENOSPC|EFBIG)\\)"), thrown.getMessage());
        assertFalse(Files.exists(path), "a file that could not be filled is left behind");
    }

    @Test
    void namesTheErrorWhereTheFolderIsMissing() {
        final Path path = directory.resolve("missing").resolve("segment");
        assertThrows(IOException.class, () -> MappedFile.allocate(path, LENGTH).close());
    }

    /** What is there may be worth something to somebody (I13). */
    @Test
    void aFileOfAnotherLengthIsRefusedAsItIs() throws IOException {
        final Path path = directory.resolve("segment");
        for (final int length : new int[] {1, (int) LENGTH / 2, (int) LENGTH + 1}) {
            Files.write(path, new byte[length]);
            final IOException thrown =
                    assertThrows(
                            IOException.class, () -> MappedFile.allocate(path, LENGTH).close());
            assertTrue(
                    thrown.getMessage().contains(path + " has " + length + " bytes"),
                    thrown.getMessage());
            assertEquals(length, Files.size(path));
        }
    }
}
