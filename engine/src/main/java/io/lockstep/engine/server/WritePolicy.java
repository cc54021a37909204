package io.lockstep.engine.server;

/**
 * How an export's changes are done, beyond what its clients ask for.
 *
 * @param isWrittenThrough each change is on stable storage before it is answered, as with FUA
 * @param keepsAllocated what is allocated stays so: trims are not offered, and zeroes make no holes
 */
public record WritePolicy(boolean isWrittenThrough, boolean keepsAllocated) {
    /** As the clients ask for it. */
    public static final WritePolicy PLAIN = new WritePolicy(false, false);
}
