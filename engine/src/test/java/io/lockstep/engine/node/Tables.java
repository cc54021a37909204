package io.lockstep.engine.node;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** The tables of docs/lives.md, which the code must agree with. */
final class Tables {
    private static final Path PAGE = Path.of("../docs/lives.md");

    private Tables() {}

    /**
     * The rows of a table, each as its cells, from the head on.
     *
     * @param head what its first cell says
     */
    static List<List<String>> onThePage(final String head) throws IOException {
        return Files.readAllLines(PAGE).stream()
                .dropWhile(line -> !line.startsWith("| " + head + " |"))
                .takeWhile(line -> line.startsWith("|"))
                .filter(line -> !line.startsWith("| ---"))
                .map(line -> line.substring(2, line.length() - 2))
                .map(line -> Arrays.asList(line.split(" \\| ", -1)))
                .toList();
    }
}
