package io.lockstep.cli.graph;

import java.util.concurrent.CompletionException;

/** A graph can't be as it was asked for; the message says why, for whoever asked. */
public final class GraphException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With that message, without the cost of a stack trace. */
    public GraphException(final String message) {
        super(message, null, false, false);
    }

    /**
     * What to tell whoever asked of something that was thrown below: its own sentence, without the
     * futures that it came through; or at least what it is.
     */
    public static String sentenceOf(final Throwable thrown) {
        Throwable cause = thrown;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }
}
