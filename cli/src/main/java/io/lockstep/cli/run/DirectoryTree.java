package io.lockstep.cli.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/** A directory with all that is in it, for those that make one for a while. On any thread. */
public final class DirectoryTree {
    private DirectoryTree() {}

    /**
     * Removes it, from the leaves on.
     *
     * @throws IOException where it is not there, or something in it can't be removed
     */
    public static void remove(final Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (final Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
