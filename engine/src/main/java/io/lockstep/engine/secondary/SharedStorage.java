package io.lockstep.engine.secondary;

import java.io.IOException;

/** Disks that a secondary sees as its primary does, and only reads until it takes over. */
public interface SharedStorage {
    /**
     * Makes all of them writable for this node, which is about to take over; harmless where they
     * are. On the group's loop.
     *
     * @throws IOException where one can't be written, with a sentence; the others may be, then
     */
    void takeOver() throws IOException;
}
