package io.lockstep.hardening;

/** How a stream is cut up on its way, made from one byte of a fuzzer's input. */
final class Portions {
    private final int seed;
    private long state;

    /**
     * Portions.
     *
     * @param seed 0 for all at once, 1 for one byte at a time, anything else for some of many ways
     */
    Portions(final int seed) {
        this.seed = seed & 0xff;
        state = this.seed * 0x9E37_79B9_7F4A_7C15L + 1;
    }

    /** The length of the next portion: at least 1, at most what remains. */
    int next(final int remaining) {
        if (seed == 0) {
            return remaining;
        }
        if (seed == 1) {
            return Math.min(1, remaining);
        }
        return Math.min(remaining, 1 + below(4 << (seed & 7)));
    }

    /** Whether something happens that happens now and then; never where the seed is 0. */
    boolean now() {
        return seed != 0 && below(3) == 0;
    }

    /** A number from 0 on, below that one. */
    int below(final int bound) {
        state ^= state << 13;
        state ^= state >>> 7;
        state ^= state << 17;
        return (int) Long.remainderUnsigned(state, bound);
    }
}
