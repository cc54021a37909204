package io.lockstep.nbd;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** Bytes as a test's peer puts them on the wire, written out field by field. */
final class Message {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    private Message() {}

    static Message of() {
        return new Message();
    }

    /** An option of a client. */
    static Message option(final int option, final Message data) {
        return of().u64(Nbd.OPTS_MAGIC).u32(option).u32(data.length()).raw(data.toBytes());
    }

    static Message option(final int option) {
        return option(option, of());
    }

    /** A server's reply to an option. */
    static Message optionReply(final int option, final int type, final Message data) {
        return of().u64(Nbd.REP_MAGIC).u32(option).u32(type).u32(data.length()).raw(data.toBytes());
    }

    static Message optionReply(final int option, final int type) {
        return optionReply(option, type, of());
    }

    static Message compactRequest(
            final int flags,
            final int command,
            final long cookie,
            final long offset,
            final long length) {
        return of().u32(Nbd.REQUEST_MAGIC)
                .u16(flags)
                .u16(command)
                .u64(cookie)
                .u64(offset)
                .u32(length);
    }

    static Message extendedRequest(
            final int flags,
            final int command,
            final long cookie,
            final long offset,
            final long length) {
        return of().u32(Nbd.EXTENDED_REQUEST_MAGIC)
                .u16(flags)
                .u16(command)
                .u64(cookie)
                .u64(offset)
                .u64(length);
    }

    static Message simpleReply(final int error, final long cookie) {
        return of().u32(Nbd.SIMPLE_REPLY_MAGIC).u32(error).u64(cookie);
    }

    static Message chunk(final int flags, final int type, final long cookie, final Message data) {
        return of().u32(Nbd.STRUCTURED_REPLY_MAGIC)
                .u16(flags)
                .u16(type)
                .u64(cookie)
                .u32(data.length())
                .raw(data.toBytes());
    }

    static Message extendedChunk(
            final int flags,
            final int type,
            final long cookie,
            final long offset,
            final Message data) {
        return of().u32(Nbd.EXTENDED_REPLY_MAGIC)
                .u16(flags)
                .u16(type)
                .u64(cookie)
                .u64(offset)
                .u64(data.length())
                .raw(data.toBytes());
    }

    Message u16(final long value) {
        return number(value, Short.BYTES);
    }

    Message u32(final long value) {
        return number(value, Integer.BYTES);
    }

    Message u64(final long value) {
        return number(value, Long.BYTES);
    }

    private Message number(final long value, final int length) {
        for (int shift = (length - 1) * 8; shift >= 0; shift -= 8) {
            bytes.write((int) (value >>> shift));
        }
        return this;
    }

    Message raw(final byte... value) {
        bytes.writeBytes(value);
        return this;
    }

    Message text(final String value) {
        return raw(value.getBytes(StandardCharsets.UTF_8));
    }

    /** A string behind its 32-bit length. */
    Message string(final String value) {
        return u32(value.getBytes(StandardCharsets.UTF_8).length).text(value);
    }

    Message zeroes(final int count) {
        return raw(new byte[count]);
    }

    Message then(final Message next) {
        return raw(next.toBytes());
    }

    int length() {
        return bytes.size();
    }

    byte[] toBytes() {
        return bytes.toByteArray();
    }

    MemorySegment toSegment() {
        return MemorySegment.ofArray(toBytes());
    }
}
