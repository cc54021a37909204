package io.lockstep.cli.graph;

/** A graph can't be as it was asked for; the message says why, for whoever asked. */
public final class GraphException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With that message, without the cost of a stack trace. */
    public GraphException(final String message) {
        super(message, null, false, false);
    }
}
