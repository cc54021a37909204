package io.lockstep.engine.disk;

import java.io.IOException;

/** A disk can't be opened; the message says which, why, and what to do about it. */
public final class DiskException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String reason;

    /**
     * About a disk.
     *
     * @param what could not be done, with the disk's name and its path
     * @param reason why not, and what to do about it
     */
    public DiskException(final String what, final String reason) {
        super(what + ": " + reason);
        this.reason = reason;
    }

    /** Why, without the disk. */
    public String reason() {
        return reason;
    }
}
