package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Where tests make files that lie in memory. */
public final class MemoryDirectory {
    private static final Path PATH = Path.of("/dev/shm");

    private MemoryDirectory() {}

    /** The directory of the file system in memory; without one the test is skipped. */
    public static Path required() {
        assumeTrue(Files.isWritable(PATH), "no file system in memory");
        return PATH;
    }
}
