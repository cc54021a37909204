package io.lockstep.bench.report;

import java.util.ArrayList;
import java.util.List;

/** A table that reads as well on a terminal as in a document. One thread's. */
public final class MarkdownTable {
    private final List<String> header;
    private final List<List<String>> rows = new ArrayList<>();

    /** One without rows. */
    public MarkdownTable(final String... columns) {
        header = List.of(columns);
    }

    /** Adds a row of as many cells as there are columns. */
    public void row(final Object... cells) {
        if (cells.length != header.size()) {
            throw new IllegalArgumentException(
                    cells.length + " cells for " + header.size() + " columns");
        }
        final List<String> row = new ArrayList<>();
        for (final Object cell : cells) {
            row.add(cell.toString());
        }
        rows.add(row);
    }

    /** Its lines, each with its end. */
    @Override
    public String toString() {
        final StringBuilder text = new StringBuilder();
        append(text, header);
        text.append('|');
        for (int column = 0; column < header.size(); column++) {
            text.append(' ').append("-".repeat(width(column))).append(" |");
        }
        text.append('\n');
        rows.forEach(row -> append(text, row));
        return text.toString();
    }

    private void append(final StringBuilder text, final List<String> cells) {
        text.append('|');
        for (int column = 0; column < cells.size(); column++) {
            final String cell = cells.get(column);
            text.append(' ').append(cell).append(" ".repeat(width(column) - cell.length()));
            text.append(" |");
        }
        text.append('\n');
    }

    private int width(final int column) {
        int width = Math.max(3, header.get(column).length());
        for (final List<String> row : rows) {
            width = Math.max(width, row.get(column).length());
        }
        return width;
    }
}
