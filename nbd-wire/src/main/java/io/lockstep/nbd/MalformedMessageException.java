package io.lockstep.nbd;

/**
 * A message of a handshake breaks its own form; the text says how, for the person at either end. It
 * has no stack trace: whoever sends nonsense shall not make it costly.
 */
final class MalformedMessageException extends Exception {
    private static final long serialVersionUID = 1L;

    MalformedMessageException(final String message) {
        super(message, null, false, false);
    }
}
