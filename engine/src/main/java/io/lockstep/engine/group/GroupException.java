package io.lockstep.engine.group;

/** An operation on a group was refused or came to nothing; the message says why and what to do. */
public final class GroupException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With that message, without the cost of a stack trace: it is for a manager to read. */
    public GroupException(final String message) {
        super(message, null, false, false);
    }

    /** The sentence for a number that no epoch ever had. */
    public static String noEpoch(final long number) {
        return "epoch " + number + " can't be committed: the first one is 1";
    }
}
