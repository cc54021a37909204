package io.lockstep.engine.group;

/** An operation on a group was refused or came to nothing; the message says why and what to do. */
public final class GroupException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With that message, without the cost of a stack trace: it is for a manager to read. */
    public GroupException(final String message) {
        super(message, null, false, false);
    }
}
