package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;

/**
 * Writes a client's request headers into memory in the negotiated style. Stateless and shared;
 * allocates nothing.
 *
 * <p>Source: {@code doc/proto.md}, "Request message", and "Extended request" of its branch.
 */
public final class RequestEncoder {
    private static final long COMPACT_LENGTH_MAX = 0xffff_ffffL;

    private final ReplyStyle style;

    /** An encoder of that style. */
    public RequestEncoder(final ReplyStyle style) {
        this.style = style;
    }

    /** How many bytes each header has. */
    public int headerLength() {
        return style.requestHeaderLength();
    }

    /**
     * Writes a header. What a write carries follows it.
     *
     * @param command {@code Nbd.CMD_*}
     * @param flags {@code Nbd.CMD_FLAG_*}; that a write has a payload is added where the style says
     *     so
     * @param cookie the client's name for the request
     * @param offset first byte of the export
     * @param length in bytes; below 4 GiB unless headers are extended
     * @return the header's length
     */
    public int encode(
            final MemorySegment memory,
            final long position,
            final int command,
            final int flags,
            final long cookie,
            final long offset,
            final long length) {
        final boolean extended = style == ReplyStyle.EXTENDED;
        assert length >= 0 && (extended || length <= COMPACT_LENGTH_MAX) : length;
        final int payload = extended && command == Nbd.CMD_WRITE ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0;
        Wire.putInt(memory, position, extended ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC);
        Wire.putShort(memory, position + 4, flags | payload);
        Wire.putShort(memory, position + 6, command);
        Wire.putLong(memory, position + 8, cookie);
        Wire.putLong(memory, position + 16, offset);
        if (extended) {
            Wire.putLong(memory, position + 24, length);
        } else {
            Wire.putInt(memory, position + 24, (int) length);
        }
        return style.requestHeaderLength();
    }
}
