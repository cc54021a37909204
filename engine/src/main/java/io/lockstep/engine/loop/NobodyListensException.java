package io.lockstep.engine.loop;

import java.io.IOException;

/**
 * A connection came to nothing as nobody listens at that address, which its host has said: unlike
 * one of which nothing was heard.
 */
public final class NobodyListensException extends IOException {
    private static final long serialVersionUID = 1L;

    /** With the sentence that {@link #getMessage} answers. */
    public NobodyListensException(final String message, final Throwable cause) {
        super(message, cause);
    }
}
