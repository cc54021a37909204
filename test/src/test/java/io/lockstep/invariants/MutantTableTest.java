package io.lockstep.invariants;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Each mutant has its line in docs/invariants.md, and each line its mutant. */
final class MutantTableTest {
    private static final Pattern LINE =
            Pattern.compile("^\\| `([a-z0-9-]+)` \\|", Pattern.MULTILINE);
    private static final String SUFFIX = ".patch";

    @Test
    void eachMutantIsListedOnce() throws IOException {
        final Path root = Path.of(System.getProperty("lockstep.root"));
        final List<String> listed =
                LINE.matcher(Files.readString(root.resolve("docs/invariants.md")))
                        .results()
                        .map(MatchResult::group)
                        .map(line -> line.replaceAll("[| `]", ""))
                        .sorted()
                        .toList();
        try (Stream<Path> files = Files.list(root.resolve("test/mutants"))) {
            final List<String> patches =
                    files.map(file -> file.getFileName().toString())
                            .filter(name -> name.endsWith(SUFFIX))
                            .map(name -> name.substring(0, name.length() - SUFFIX.length()))
                            .sorted()
                            .toList();
            assertEquals(patches, listed);
        }
    }
}
