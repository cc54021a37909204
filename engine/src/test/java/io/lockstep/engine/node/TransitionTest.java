package io.lockstep.engine.node;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The table of what happens to a node in docs/lives.md is the code's. */
final class TransitionTest {
    @Test
    void theTableOnThePageIsTheCodes() throws IOException {
        assertEquals(tableOfTheCode(), Tables.onThePage("happens"));
    }

    private static List<List<String>> tableOfTheCode() {
        final List<List<String>> rows = new ArrayList<>();
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

    private static List<String> row(final String first, final List<String> cells) {
        final List<String> row = new ArrayList<>(List.of(first));
        row.addAll(cells);
        return row;
    }
}
