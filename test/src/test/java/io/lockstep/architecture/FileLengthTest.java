package io.lockstep.architecture;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A source near 600 lines has two ideas, and is parted before it gets a third. */
final class FileLengthTest {
    private static final int LINES_MAX = 600;

    /** Of the whole checkout; this module's tests run in its folder. */
    private static final Path TOP = Path.of("..");

    private static final List<String> MODULES =
            List.of("nbd-wire", "engine", "cli", "bench", "test");

    @Test
    void noSourceOfWhatWeShipIsTooLong() throws IOException {
        for (final String module : MODULES) {
            try (Stream<Path> files = Files.walk(TOP.resolve(module).resolve("src/main/java"))) {
                final List<Path> sources =
                        files.filter(file -> file.toString().endsWith(".java")).toList();
                assertTrue(
                        sources.size() > 1, module + " has no sources where they are looked for");
                assertEquals(
                        List.of(),
                        sources.stream().filter(file -> lines(file) > LINES_MAX).toList());
            }
        }
    }

    private static long lines(final Path file) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.count();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
