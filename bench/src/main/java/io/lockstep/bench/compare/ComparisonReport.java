package io.lockstep.bench.compare;

import io.lockstep.bench.report.Machine;

import java.io.PrintWriter;
import java.util.List;

/**
 * What a comparison found: on the terminal row by row as it comes, and in the end as Markdown. One
 * thread's.
 */
final class ComparisonReport {
    private final PrintWriter out;
    private final StringBuilder markdown = new StringBuilder();

    /** Begins with the machine. */
    ComparisonReport(final PrintWriter out) {
        this.out = out;
        markdown.append(Machine.description()).append(".\n");
    }

    /** Begins a section. */
    void title(final String text) {
        progress(text);
        markdown.append("\n### ").append(text).append('\n');
    }

    /** Adds sentences to it. */
    void paragraph(final String sentences) {
        progress(sentences);
        markdown.append('\n').append(sentences).append('\n');
    }

    /** Adds a table whose rows nobody has seen yet. */
    void table(final String table) {
        progress(table);
        tableBehindItsRows(table);
    }

    /** Adds one whose rows were on the terminal, by {@link #row}. */
    void tableBehindItsRows(final String table) {
        markdown.append('\n').append(table);
    }

    /** Lines for the terminal alone. */
    void row(final List<String> lines) {
        lines.forEach(out::println);
        out.flush();
    }

    /** The same of one. */
    void progress(final String line) {
        row(List.of(line));
    }

    /** All of it. */
    String markdown() {
        return markdown.toString();
    }
}
