package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Writes a server's replies into memory in the negotiated style. Stateless and shared; allocates
 * nothing but for the text of an error.
 *
 * <p>All methods return how many bytes they wrote, from {@code position} on. {@code offset} is
 * always the request's own, which extended replies repeat. Source: {@code doc/proto.md}, "Simple
 * reply message", "Structured reply chunk message", "Structured reply types", and its branch for
 * extended replies.
 */
public final class ReplyEncoder {
    /** Longest error text that is sent, in bytes. */
    public static final int ERROR_TEXT_MAX = 480;

    /** No error reply is longer, in any style; in bytes. */
    public static final int ERROR_LENGTH_MAX = 32 + 6 + ERROR_TEXT_MAX;

    private static final int CHUNK_OFFSET_LENGTH = Long.BYTES;
    private static final int HOLE_PAYLOAD_LENGTH = 12;

    private final ReplyStyle style;

    /** An encoder of that style. */
    public ReplyEncoder(final ReplyStyle style) {
        this.style = style;
    }

    /** The style. */
    public ReplyStyle style() {
        return style;
    }

    /** Length of {@link #done}. */
    public int doneLength() {
        return style == ReplyStyle.EXTENDED
                ? style.chunkHeaderLength()
                : ReplyStyle.SIMPLE.chunkHeaderLength();
    }

    /**
     * Success without a payload. Where structured replies were negotiated this is a simple reply
     * all the same, as the protocol allows: it is the shorter one.
     */
    public int done(
            final MemorySegment memory, final long position, final long cookie, final long offset) {
        if (style == ReplyStyle.EXTENDED) {
            return chunkHeader(
                    memory, position, Nbd.REPLY_FLAG_DONE, Nbd.REPLY_TYPE_NONE, cookie, offset, 0);
        }
        return simple(memory, position, 0, cookie);
    }

    /** Ends a reply to a read that has no content chunk (a read of nothing), in chunked styles. */
    public int none(
            final MemorySegment memory, final long position, final long cookie, final long offset) {
        return style == ReplyStyle.SIMPLE
                ? simple(memory, position, 0, cookie)
                : chunkHeader(
                        memory,
                        position,
                        Nbd.REPLY_FLAG_DONE,
                        Nbd.REPLY_TYPE_NONE,
                        cookie,
                        offset,
                        0);
    }

    /** Length of {@link #dataHeader}. */
    public int dataHeaderLength() {
        return style == ReplyStyle.SIMPLE
                ? style.chunkHeaderLength()
                : style.chunkHeaderLength() + CHUNK_OFFSET_LENGTH;
    }

    /**
     * The header in front of a read's data.
     *
     * @param chunkOffset first byte of the export in the data; the request's own in simple style
     * @param length bytes of data that follow
     * @param last whether nothing of this reply comes after it
     */
    public int dataHeader(
            final MemorySegment memory,
            final long position,
            final long cookie,
            final long offset,
            final long chunkOffset,
            final int length,
            final boolean last) {
        if (style == ReplyStyle.SIMPLE) {
            return simple(memory, position, 0, cookie);
        }
        final int header =
                chunkHeader(
                        memory,
                        position,
                        last ? Nbd.REPLY_FLAG_DONE : 0,
                        Nbd.REPLY_TYPE_OFFSET_DATA,
                        cookie,
                        offset,
                        CHUNK_OFFSET_LENGTH + length);
        Wire.putLong(memory, position + header, chunkOffset);
        return header + CHUNK_OFFSET_LENGTH;
    }

    /** Length of {@link #hole}. */
    public int holeLength() {
        return style.chunkHeaderLength() + HOLE_PAYLOAD_LENGTH;
    }

    /** A chunk that says that a part of a read is all zeroes. Not in simple style. */
    public int hole(
            final MemorySegment memory,
            final long position,
            final long cookie,
            final long offset,
            final long chunkOffset,
            final int length,
            final boolean last) {
        final int header =
                chunkHeader(
                        memory,
                        position,
                        last ? Nbd.REPLY_FLAG_DONE : 0,
                        Nbd.REPLY_TYPE_OFFSET_HOLE,
                        cookie,
                        offset,
                        HOLE_PAYLOAD_LENGTH);
        Wire.putLong(memory, position + header, chunkOffset);
        Wire.putInt(memory, position + header + Long.BYTES, length);
        return header + HOLE_PAYLOAD_LENGTH;
    }

    /** Length of a block status chunk of so many descriptors. */
    public int blockStatusLength(final int descriptors) {
        return style == ReplyStyle.EXTENDED
                ? style.chunkHeaderLength() + 8 + descriptors * 16
                : style.chunkHeaderLength() + 4 + descriptors * 8;
    }

    /**
     * The front of a block status chunk; {@link #descriptor} writes what follows. Not in simple
     * style.
     *
     * @param context the context's ID
     * @param descriptors how many follow, at least one
     * @param last whether nothing of this reply comes after it
     */
    public int blockStatusHeader(
            final MemorySegment memory,
            final long position,
            final long cookie,
            final long offset,
            final int context,
            final int descriptors,
            final boolean last) {
        final int payload = blockStatusLength(descriptors) - style.chunkHeaderLength();
        final int type =
                style == ReplyStyle.EXTENDED
                        ? Nbd.REPLY_TYPE_BLOCK_STATUS_EXT
                        : Nbd.REPLY_TYPE_BLOCK_STATUS;
        final int header =
                chunkHeader(
                        memory,
                        position,
                        last ? Nbd.REPLY_FLAG_DONE : 0,
                        type,
                        cookie,
                        offset,
                        payload);
        Wire.putInt(memory, position + header, context);
        if (style == ReplyStyle.EXTENDED) {
            Wire.putInt(memory, position + header + 4, descriptors);
            return header + 8;
        }
        return header + 4;
    }

    /** One descriptor of a block status chunk: an extent's length in bytes and its status flags. */
    public int descriptor(
            final MemorySegment memory, final long position, final long length, final int flags) {
        if (style == ReplyStyle.EXTENDED) {
            Wire.putLong(memory, position, length);
            Wire.putLong(memory, position + 8, Integer.toUnsignedLong(flags));
            return 16;
        }
        Wire.putInt(memory, position, (int) length);
        Wire.putInt(memory, position + 4, flags);
        return 8;
    }

    /**
     * A failure, with its sentence where the style can carry one.
     *
     * @param error an error value, {@code Nbd.E*}
     * @param text ASCII; cut at {@link #ERROR_TEXT_MAX}
     */
    public int error(
            final MemorySegment memory,
            final long position,
            final long cookie,
            final long offset,
            final int error,
            final String text) {
        if (style == ReplyStyle.SIMPLE) {
            return simple(memory, position, error, cookie);
        }
        final int textLength = Math.min(text.length(), ERROR_TEXT_MAX);
        final int header =
                chunkHeader(
                        memory,
                        position,
                        Nbd.REPLY_FLAG_DONE,
                        Nbd.REPLY_TYPE_ERROR,
                        cookie,
                        offset,
                        6 + textLength);
        Wire.putInt(memory, position + header, error);
        Wire.putShort(memory, position + header + 4, textLength);
        for (int i = 0; i < textLength; i++) {
            final char character = text.charAt(i);
            memory.set(
                    ValueLayout.JAVA_BYTE,
                    position + header + 6 + i,
                    (byte) (character < 0x80 ? character : '?'));
        }
        return header + 6 + textLength;
    }

    private static int simple(
            final MemorySegment memory, final long position, final int error, final long cookie) {
        Wire.putInt(memory, position, Nbd.SIMPLE_REPLY_MAGIC);
        Wire.putInt(memory, position + 4, error);
        Wire.putLong(memory, position + 8, cookie);
        return ReplyStyle.SIMPLE.chunkHeaderLength();
    }

    private int chunkHeader(
            final MemorySegment memory,
            final long position,
            final int flags,
            final int type,
            final long cookie,
            final long offset,
            final int length) {
        final boolean extended = style == ReplyStyle.EXTENDED;
        Wire.putInt(
                memory, position, extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC);
        Wire.putShort(memory, position + 4, flags);
        Wire.putShort(memory, position + 6, type);
        Wire.putLong(memory, position + 8, cookie);
        if (extended) {
            Wire.putLong(memory, position + 16, offset);
            Wire.putLong(memory, position + 24, length);
        } else {
            Wire.putInt(memory, position + 16, length);
        }
        return style.chunkHeaderLength();
    }
}
