package io.lockstep.cli.run;

import java.io.PrintWriter;

/**
 * A part of a terminal that is written again and again in place; where the output is no terminal,
 * one text after the other. One thread's.
 */
public final class Screen {
    private static final String ESCAPE = "\u001b[";

    private final PrintWriter out;
    private final boolean isTerminal;
    private long linesShown;

    /** On standard output, through that writer. */
    @SuppressWarnings("SystemConsoleNull") // it is, where the JVM was told to have none
    public Screen(final PrintWriter out) {
        this.out = out;
        isTerminal = System.console() != null && System.console().isTerminal();
    }

    /** Whether what is shown replaces what was. */
    public boolean isTerminal() {
        return isTerminal;
    }

    /**
     * Shows a text of whole lines in place of the last one.
     *
     * @return whether it could be written
     */
    public boolean show(final String text) {
        if (isTerminal && linesShown > 0) {
            out.print(ESCAPE + linesShown + "A" + ESCAPE + "J");
        }
        out.print(text);
        linesShown = text.lines().count();
        return !out.checkError();
    }
}
