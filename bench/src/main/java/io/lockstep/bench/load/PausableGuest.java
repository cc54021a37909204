package io.lockstep.bench.load;

import java.io.IOException;

/**
 * A guest that can be paused, as a hypervisor pauses its own for a checkpoint. By one thread, which
 * need not be the guest's.
 */
public interface PausableGuest {
    /** Returns when no write is in flight; none begins until {@link #resume}. */
    void pause() throws IOException, InterruptedException;

    /** Goes on. */
    void resume();
}
