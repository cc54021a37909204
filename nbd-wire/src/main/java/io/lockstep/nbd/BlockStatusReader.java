package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;

/**
 * The chunks of a block status: checks the header of each, and hands over its extents as they come.
 * The server is not trusted: what breaks a rule is told to {@link Violations}. Single threaded;
 * allocates nothing. Source: {@code doc/proto.md}, "Structured reply types", and its branch for
 * extended replies.
 */
final class BlockStatusReader {
    /** Hears what rule the server broke: then nothing more is read. */
    interface Violations {
        void violate(String what, long number);
    }

    private final ClientNegotiated negotiated;
    private final ClientTransmission.Handler handler;
    private final Violations violations;
    private final boolean extended;
    private final int descriptorLength;
    private final int headerLength;

    // The chunk at hand.
    private PendingRequest request;
    private SelectedContext context;
    private long offset;
    private long remaining;
    private boolean violated;

    BlockStatusReader(
            final ClientNegotiated negotiated,
            final ClientTransmission.Handler handler,
            final Violations violations) {
        this.negotiated = negotiated;
        this.handler = handler;
        this.violations = violations;
        extended = negotiated.replyStyle() == ReplyStyle.EXTENDED;
        descriptorLength = extended ? 16 : 8;
        headerLength = extended ? 8 : 4;
    }

    /** Whether all extents of the chunk were handed over. */
    boolean isDone() {
        return remaining == 0;
    }

    /**
     * Begins a chunk.
     *
     * @param type of the chunk
     * @param length of its payload in bytes
     * @return how many bytes of the payload it took; -1 where there are too few, or the server
     *     broke a rule
     */
    long begin(
            final PendingRequest replyTo,
            final MemorySegment memory,
            final long payload,
            final long available,
            final int type,
            final long length) {
        request = replyTo;
        violated = false;
        if (!check(type, length) || available < headerLength) {
            return -1;
        }
        final long descriptors = (length - headerLength) / descriptorLength;
        if (extended && Wire.getUnsignedInt(memory, payload + 4) != descriptors) {
            violate(
                    "block status chunk whose length belies its count of descriptors",
                    Wire.getUnsignedInt(memory, payload + 4));
            return -1;
        }
        if (request.has(Nbd.CMD_FLAG_REQ_ONE) && descriptors != 1) {
            violate("several extents where one was asked for", descriptors);
            return -1;
        }
        final int id = Wire.getInt(memory, payload);
        final int index = negotiated.contextIndex(id);
        if (index < 0 || !request.addContext(index)) {
            violate(
                    "block status of an unknown or repeated metadata context, ID",
                    Integer.toUnsignedLong(id));
            return -1;
        }
        context = negotiated.contexts().get(index);
        offset = request.offset();
        remaining = length - headerLength;
        return headerLength;
    }

    private boolean check(final int type, final long length) {
        final long descriptorsLength = length - headerLength;
        if ((type == Nbd.REPLY_TYPE_BLOCK_STATUS_EXT) != extended) {
            violate("block status chunk of a type that was not agreed on", type);
        } else if (request.command() != Nbd.CMD_BLOCK_STATUS) {
            violate("block status in a reply to another command", request.command());
        } else if (descriptorsLength <= 0
                || descriptorsLength % descriptorLength != 0
                || descriptorsLength / descriptorLength > Nbd.BLOCK_STATUS_DESCRIPTORS_MAX) {
            violate("block status chunk of a wrong length", length);
        }
        return !violated;
    }

    /** Hands over the next extent. Answers how many bytes it took: 0 where there are too few. */
    long extent(final MemorySegment memory, final long position, final long available) {
        if (available < descriptorLength) {
            return 0;
        }
        remaining -= descriptorLength;
        final long length =
                extended ? Wire.getLong(memory, position) : Wire.getUnsignedInt(memory, position);
        final long flags =
                extended
                        ? Wire.getLong(memory, position + 8)
                        : Wire.getUnsignedInt(memory, position + 4);
        final long end = request.offset() + request.length();
        if (length == 0) {
            violate("extent of no bytes, at offset", offset);
        } else if (offset >= end) {
            violate("extent that begins beyond what was asked for, at offset", offset);
        } else if (request.has(Nbd.CMD_FLAG_REQ_ONE)
                && Long.compareUnsigned(length, request.length()) > 0) {
            violate("extent longer than what was asked for", length);
        } else if (context.isNarrow() && flags >>> Integer.SIZE != 0) {
            violate("status flags beyond 32 bits", flags);
        } else {
            // The last may be as long as it likes; beyond the export it says nothing.
            final long rest = negotiated.export().size() - offset;
            final long within = Long.compareUnsigned(length, rest) > 0 ? rest : length;
            final long extentOffset = offset;
            offset += within;
            handler.onExtent(request, context.id(), extentOffset, within, flags);
        }
        return descriptorLength;
    }

    private void violate(final String what, final long number) {
        violated = true;
        violations.violate(what, number);
    }
}
