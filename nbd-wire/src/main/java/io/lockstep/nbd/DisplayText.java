package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/**
 * A peer's sentence on its way to a log or a terminal: what isn't UTF-8 is replaced, and so is what
 * would steer a terminal.
 */
final class DisplayText {
    private DisplayText() {}

    static String of(final MemorySegment memory, final long position, final int length) {
        final byte[] bytes = memory.asSlice(position, length).toArray(ValueLayout.JAVA_BYTE);
        final StringBuilder text = new StringBuilder(new String(bytes, StandardCharsets.UTF_8));
        for (int i = 0; i < text.length(); i++) {
            if (Character.isISOControl(text.charAt(i))) {
                text.setCharAt(i, ' ');
            }
        }
        return text.toString().strip();
    }
}
