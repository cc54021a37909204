package io.lockstep.engine.node;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** The table in docs/lives.md is the code's. */
final class TransitionTest {
    private static final Path PAGE = Path.of("../docs/lives.md");

    @Test
    void theTableOnThePageIsTheCodes() throws IOException {
        assertEquals(tableOfTheCode(), tableOnThePage());
    }

    private static List<String> tableOfTheCode() {
        final List<String> rows = new ArrayList<>();
        rows.add(row("happens", Arrays.stream(Standing.values()).map(Standing::name).toList()));
        for (final Happening happening : Happening.values()) {
            rows.add(
                    row(
                            happening.name(),
                            Arrays.stream(Standing.values())
                                    .map(before -> Transition.of(before, happening))
                                    .map(after -> after.map(Standing::name).orElse("-"))
                                    .toList()));
        }
        return rows;
    }

    private static String row(final String first, final List<String> cells) {
        return "| " + first + " | " + String.join(" | ", cells) + " |";
    }

    private static List<String> tableOnThePage() throws IOException {
        final List<String> lines = Files.readAllLines(PAGE);
        final int head =
                lines.indexOf(
                        lines.stream()
                                .filter(line -> line.startsWith("| happens |"))
                                .findFirst()
                                .orElseThrow());
        return lines.subList(head, lines.size()).stream()
                .takeWhile(line -> line.startsWith("|"))
                .filter(line -> !line.startsWith("| ---"))
                .collect(Collectors.toList());
    }
}
