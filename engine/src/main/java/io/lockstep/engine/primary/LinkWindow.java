package io.lockstep.engine.primary;

/**
 * How much is on its way to the secondary, and how much may be. On the link's loop. Lengths are in
 * bytes.
 */
final class LinkWindow {
    /** What a foreign server has to bring to stable storage is not known; it is not counted on. */
    private static final long OWED_LENGTH_MAX = 1L << 30;

    private static final long WRITES_MAX = 16L << 20;

    /**
     * Of zeroes, and of what is announced: the secondary works on all of them at once, and must
     * answer the first soon.
     */
    private static final long ZEROES_MAX = 64L << 20;

    private long writes;
    private long zeroes;

    /** What a foreign server has answered since it answered a flush. */
    private long unflushed;

    /** What was on its way is not any more; what was not flushed is not, yet. */
    void reset() {
        writes = 0;
        zeroes = 0;
    }

    /** Whether one more may go. */
    boolean takes(final ForwardLog.Kind kind, final long length) {
        return switch (kind) {
            case WRITE -> writes == 0 || writes + length <= WRITES_MAX;
            case ZERO, ANNOUNCE -> zeroes == 0 || zeroes + length <= ZEROES_MAX;
            case FLUSH, HASH, SEAL -> true;
        };
    }

    /** One more has gone. */
    void onSent(final ForwardLog.Kind kind, final long length) {
        count(kind, length);
    }

    private void count(final ForwardLog.Kind kind, final long length) {
        if (kind == ForwardLog.Kind.WRITE) {
            writes += length;
        } else if (kind == ForwardLog.Kind.ZERO || kind == ForwardLog.Kind.ANNOUNCE) {
            zeroes += length;
        }
    }

    /** One was answered. */
    void onAnswered(final ForwardLog.Kind kind, final long length) {
        count(kind, -length);
        switch (kind) {
            case WRITE, ZERO -> unflushed += length;
            case FLUSH -> unflushed = 0;
            case HASH, ANNOUNCE, SEAL -> {}
        }
    }

    /** What the secondary works on, or has still to flush. */
    long owedLength() {
        return Math.min(OWED_LENGTH_MAX, writes + zeroes + unflushed);
    }

    /** Whether a change is on its way. */
    boolean isChangeOwed() {
        return writes + zeroes > 0;
    }
}
