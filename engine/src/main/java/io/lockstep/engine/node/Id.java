package io.lockstep.engine.node;

import java.util.HexFormat;
import java.util.random.RandomGenerator;

/**
 * A random name of 128 bits: of a node, a group, a generation, or a session. Immutable.
 *
 * @param high the first half
 * @param low the second half
 */
public record Id(long high, long low) {
    /** None: what has no name. */
    public static final Id NONE = new Id(0, 0);

    /** Bytes that one takes. */
    static final int LENGTH = 2 * Long.BYTES;

    /**
     * Makes one that is not {@link #NONE}.
     *
     * @param random must not be guessed by strangers, nor repeat itself
     */
    public static Id random(final RandomGenerator random) {
        return new Id(random.nextLong() | 1, random.nextLong());
    }

    /** Whether it is no name at all. */
    public boolean isNone() {
        return high == 0 && low == 0;
    }

    /** In 32 hexadecimal digits. */
    @Override
    public String toString() {
        final HexFormat hex = HexFormat.of();
        return hex.toHexDigits(high) + hex.toHexDigits(low);
    }

    /** Enough of it to tell it from others in a sentence. */
    public String brief() {
        return HexFormat.of().toHexDigits(high).substring(0, 8);
    }
}
