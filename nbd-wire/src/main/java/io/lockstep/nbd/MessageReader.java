package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Reads the data of one message of a handshake, an option's or a reply's, from the front, and never
 * beyond its end. Source: {@code doc/proto.md}, "Conventions".
 */
final class MessageReader {
    private final MemorySegment memory;
    private final long end;
    private long position;

    MessageReader(final MemorySegment memory, final long position, final long end) {
        this.memory = memory;
        this.position = position;
        this.end = end;
    }

    long remaining() {
        return end - position;
    }

    int unsignedShort() throws MalformedMessageException {
        return Wire.getUnsignedShort(memory, advance(Short.BYTES));
    }

    int integer() throws MalformedMessageException {
        return Wire.getInt(memory, advance(Integer.BYTES));
    }

    long longInteger() throws MalformedMessageException {
        return Wire.getLong(memory, advance(Long.BYTES));
    }

    String lengthAndString() throws MalformedMessageException {
        return string(Integer.toUnsignedLong(integer()));
    }

    String string(final long length) throws MalformedMessageException {
        if (length > Nbd.STRING_LENGTH_MAX) {
            throw new MalformedMessageException(
                    "string is longer than " + Nbd.STRING_LENGTH_MAX + " bytes");
        }
        final long at = advance(length);
        final byte[] bytes = memory.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE);
        final String string;
        try {
            string = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (final CharacterCodingException e) {
            throw new MalformedMessageException("string is not UTF-8");
        }
        if (string.indexOf('\0') >= 0) {
            throw new MalformedMessageException("string contains NUL");
        }
        return string;
    }

    /** All that remains, for people, whatever it is. */
    String displayText() throws MalformedMessageException {
        final int length = (int) remaining();
        return DisplayText.of(memory, advance(length), length);
    }

    void requireEnd() throws MalformedMessageException {
        if (position != end) {
            throw new MalformedMessageException("data is " + remaining() + " bytes too long");
        }
    }

    private long advance(final long length) throws MalformedMessageException {
        if (length > remaining()) {
            throw new MalformedMessageException("data ends too early");
        }
        final long at = position;
        position += length;
        return at;
    }
}
