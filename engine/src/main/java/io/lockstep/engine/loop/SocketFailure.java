package io.lockstep.engine.loop;

import java.io.IOException;
import java.net.UnknownHostException;

/**
 * What goes wrong with an endpoint, as sentences that name it. Immutable; made before it is needed:
 * a process without a descriptor left may not be able to load a class.
 */
final class SocketFailure {
    private final String what;
    private final Endpoint endpoint;

    /**
     * Nothing went wrong yet.
     *
     * @param what is done there, such as "listen on"
     */
    SocketFailure(final String what, final Endpoint endpoint) {
        this.what = what;
        this.endpoint = endpoint;
    }

    /**
     * Makes an exception of what NIO threw, which tells some failures without a word, and some as
     * if the caller were to blame.
     */
    IOException of(final Throwable cause) {
        return new IOException("cannot " + what + " " + endpoint + ": " + reason(cause), cause);
    }

    /** Why, as the end of a sentence. */
    private static String reason(final Throwable cause) {
        if (cause instanceof UnknownHostException) {
            return "unknown host";
        }
        final String message = cause.getMessage();
        if (message == null || message.isEmpty()) {
            return cause.getClass().getSimpleName();
        }
        return message.contains("in use")
                ? "somebody else listens there; stop that program or choose another address"
                : message;
    }
}
