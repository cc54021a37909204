package io.lockstep.hardening;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.AfterEach;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The same over a disk in memory, which payloads reach without a copy. */
final class BadRequestInMemoryTest extends BadRequestTest {
    private static final Path MEMORY = Path.of("/dev/shm");

    private Path folder;

    @Override
    Path folderOfDisks(final Path temporary) throws IOException {
        assumeTrue(Files.isWritable(MEMORY), "no memory-backed file system at " + MEMORY);
        folder = Files.createTempDirectory(MEMORY, "lockstep-hardening");
        return folder;
    }

    @AfterEach
    void removeFolder() throws IOException {
        if (folder != null) {
            final List<Path> files;
            try (Stream<Path> list = Files.list(folder)) {
                files = list.toList();
            }
            for (final Path file : files) {
                Files.delete(file);
            }
            Files.delete(folder);
        }
    }
}
