package io.lockstep.cli.control;

/** A command was refused: becomes an error reply. Thrown before anything has been done. */
final class QmpException extends RuntimeException {
    /** The class of nearly every error. */
    static final String GENERIC = "GenericError";

    /** The class of commands that don't exist, or not now. */
    static final String COMMAND_NOT_FOUND = "CommandNotFound";

    private static final long serialVersionUID = 1L;

    private final String errorClass;

    /** With a class of QEMU's and a sentence; no stack trace, since it is for a manager to read. */
    QmpException(final String errorClass, final String sentence) {
        super(sentence, null, false, false);
        this.errorClass = errorClass;
    }

    /** Of the class that says nothing more than the sentence. */
    static QmpException generic(final String sentence) {
        return new QmpException(GENERIC, sentence);
    }

    String errorClass() {
        return errorClass;
    }
}
