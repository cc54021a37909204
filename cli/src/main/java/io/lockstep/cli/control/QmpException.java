package io.lockstep.cli.control;

/** A command was refused or failed: becomes an error reply. */
final class QmpException extends RuntimeException {
    /** The class of nearly every error. */
    static final String GENERIC = "GenericError";

    /** The class of commands that don't exist, or not now. */
    static final String COMMAND_NOT_FOUND = "CommandNotFound";

    /** The class of what names a thing that is not there, in the commands that tell so. */
    static final String DEVICE_NOT_FOUND = "DeviceNotFound";

    /** The class of what names a job that is not there. */
    static final String DEVICE_NOT_ACTIVE = "DeviceNotActive";

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
