package io.lockstep.engine.node;

/** Something can't happen to a node, or could not be recorded; the message is for people. */
public final class NodeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With a sentence, and no stack trace: it is no fault of the code. */
    public NodeException(final String sentence) {
        super(sentence, null, false, false);
    }
}
