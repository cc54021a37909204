package io.lockstep.engine.primary;

/**
 * How far ahead of a guest that writes in sequence its next blocks are announced, so that a stream
 * waits once and not for each of its writes. The window doubles while the stream goes on, up to a
 * bound, and is filled when half of it is used. On the guest's loop; allocates nothing.
 */
final class ReadAhead {
    /** Blocks: 4 MiB, which is what is saved in vain at most where a stream ends. */
    static final long BLOCKS_MAX = 1024;

    /** The end of the stream, and of what is announced of it; blocks. */
    private long end = -1;

    private long announced;
    private long window;

    /**
     * Something is written.
     *
     * @return the block up to which is to be announced behind it; its own end for none
     */
    long next(final long first, final long behind) {
        final boolean goesOn = first <= end && behind > end;
        if (!goesOn) {
            if (first > end || behind < end - BLOCKS_MAX) {
                end = behind; // another stream, if it is one
                announced = behind;
                window = 0;
            }
            return behind;
        }
        end = behind;
        announced = Math.max(announced, behind);
        window = Math.min(BLOCKS_MAX, Math.max(2 * window, 2 * (behind - first)));
        return announced - behind < window / 2 ? behind + window : behind;
    }

    /** So much of it is. */
    void announced(final long block) {
        announced = Math.max(announced, block);
    }

    /** A new epoch: nothing of it is. */
    void onEpoch() {
        announced = end;
    }
}
