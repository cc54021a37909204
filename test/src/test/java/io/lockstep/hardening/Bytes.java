package io.lockstep.hardening;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Bytes for the wire, appended one number after the other, big-endian. */
final class Bytes {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    static Bytes of(final int... values) {
        final Bytes result = new Bytes();
        for (final int value : values) {
            result.u8(value);
        }
        return result;
    }

    static Bytes text(final String text) {
        return new Bytes().put(text.getBytes(StandardCharsets.UTF_8));
    }

    static Bytes join(final Iterable<Bytes> parts) {
        final Bytes result = new Bytes();
        parts.forEach(result::put);
        return result;
    }

    Bytes u8(final int value) {
        bytes.write(value);
        return this;
    }

    Bytes u16(final int value) {
        return u8(value >>> 8).u8(value);
    }

    Bytes u32(final int value) {
        return u16(value >>> 16).u16(value);
    }

    Bytes u64(final long value) {
        return u32((int) (value >>> 32)).u32((int) value);
    }

    Bytes put(final byte[] value) {
        bytes.writeBytes(value);
        return this;
    }

    Bytes put(final Bytes other) {
        return put(other.toArray());
    }

    Bytes zeroes(final int count) {
        return put(new byte[count]);
    }

    /** The first {@code length} of them. */
    Bytes head(final int length) {
        return new Bytes().put(java.util.Arrays.copyOf(toArray(), length));
    }

    int length() {
        return bytes.size();
    }

    byte[] toArray() {
        return bytes.toByteArray();
    }
}
