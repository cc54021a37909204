package io.lockstep.nbd;

import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * What the protocol demands of a string, such as an export's name. Stateless. Source: {@code
 * doc/proto.md}, "Conventions".
 */
public final class WireString {
    private WireString() {}

    /**
     * Says why a string can't be sent.
     *
     * @param what it is, such as "export name"
     * @return a sentence; null where it can
     */
    public static String refusal(final String what, final String value) {
        Objects.requireNonNull(value, what);
        if (value.indexOf('\0') >= 0) {
            return "the " + what + " contains NUL, which NBD does not allow";
        }
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(value)) {
            return "the " + what + " is no text: it has one half of a surrogate pair";
        }
        final int length = value.getBytes(StandardCharsets.UTF_8).length;
        return length <= Nbd.STRING_LENGTH_MAX
                ? null
                : "the "
                        + what
                        + " has "
                        + length
                        + " bytes, and NBD allows "
                        + Nbd.STRING_LENGTH_MAX;
    }

    /** As much of a text from its front as can be sent. */
    public static String fitting(final String text) {
        int end = Math.min(text.length(), Nbd.STRING_LENGTH_MAX);
        while (text.substring(0, end).getBytes(StandardCharsets.UTF_8).length
                > Nbd.STRING_LENGTH_MAX) {
            end = text.offsetByCodePoints(end, -1);
        }
        return text.substring(0, end);
    }

    /**
     * Demands that a string can be sent.
     *
     * @throws IllegalArgumentException where it can't
     */
    static void require(final String what, final String value) {
        final String refusal = refusal(what, value);
        if (refusal != null) {
            throw new IllegalArgumentException(refusal);
        }
    }
}
