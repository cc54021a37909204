package io.lockstep.bench.report;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a tool found out: on the terminal as it comes, and in the end in a file, as Markdown. */
public final class Report {
    private final PrintWriter out;
    private final StringBuilder text = new StringBuilder();
    private final boolean isTerminal;
    private int progressLength;

    /**
     * Begins with what it was taken on.
     *
     * @param command that gives these figures
     */
    @SuppressWarnings("SystemConsoleNull") // it is, where the JVM was told to have none
    public Report(final PrintWriter out, final String command) {
        this.out = out;
        isTerminal = System.console() != null && System.console().isTerminal();
        paragraph("`" + command + "`: " + Machine.description() + ".");
    }

    /** Begins a section. */
    public void heading(final String heading) {
        add("### " + heading + "\n\n");
    }

    /** Adds sentences. */
    public void paragraph(final String sentences) {
        add(sentences + "\n\n");
    }

    /** Adds a table. */
    public void table(final MarkdownTable table) {
        add(table + "\n");
    }

    private void add(final String more) {
        progress("");
        out.print(more);
        out.flush();
        text.append(more);
    }

    /** What is going on, in place of what was; only for somebody who watches. */
    public void progress(final String line) {
        if (isTerminal) {
            out.print('\r' + line + " ".repeat(Math.max(0, progressLength - line.length())) + '\r');
            out.flush();
            progressLength = line.length();
        }
    }

    /** Writes all of it to a file, unless that is null. */
    public void write(final Path file) throws IOException {
        if (file != null) {
            Files.writeString(file, text, StandardCharsets.UTF_8);
            out.println("written to " + file);
        }
    }
}
