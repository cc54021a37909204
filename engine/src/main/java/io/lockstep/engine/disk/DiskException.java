package io.lockstep.engine.disk;

import java.io.IOException;

/** A disk can't be opened; the message says which, why, and what to do about it. */
public final class DiskException extends IOException {
    private static final long serialVersionUID = 1L;

    /** With that message. */
    public DiskException(final String message) {
        super(message);
    }
}
