package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;

/**
 * The client's side of the transmission phase: divides what was received into replies, in any order
 * and with their chunks interleaved, checks each against its request, and hands over what it says.
 *
 * <p>A read's data and a block status are handed over piece by piece as they come: no reply need be
 * held whole, and {@link #MESSAGE_LENGTH_MAX} bytes in a row are always enough. While a read's data
 * is under way the driver may also receive it where it belongs, past this machine: see {@link
 * #dataRequest}.
 *
 * <p>The server is not trusted: a reply to nothing, beyond its request, twice over the same bytes,
 * incomplete, or of an unknown kind is a violation, after which nothing more is taken. Single
 * threaded; allocates nothing but for errors. Source: {@code doc/proto.md}, "Simple reply message",
 * "Structured reply chunk message", "Structured reply types", and its branch for extended replies.
 */
public final class ClientTransmission {
    /** Takes what replies say. A handler may make new requests. */
    public interface Handler {
        /**
         * A part of a read's data.
         *
         * @param offset of its first byte in the export
         * @param position of its first byte in {@code memory}
         */
        void onData(
                PendingRequest request,
                long offset,
                MemorySegment memory,
                long position,
                long length);

        /** A part of a read is all zeroes. */
        void onHole(PendingRequest request, long offset, long length);

        /**
         * One extent of a block status. Extents of a context come in order, the first at the
         * request's offset; the last may end behind the request, though not behind the export.
         *
         * @param context the context's ID
         * @param flags the context's status flags
         */
        void onExtent(PendingRequest request, int context, long offset, long length, long flags);

        /**
         * An error that is part of a reply, which then ends with an error. There can be several.
         *
         * @param error an error value, {@code Nbd.E*}
         * @param offset where it occurred, or -1 where that was not said
         * @param text the server's sentence; may be empty
         */
        void onError(PendingRequest request, int error, long offset, String text);

        /**
         * The reply has ended. The request's place is free already: what {@code request} says holds
         * until a new request is made.
         *
         * @param error 0, or the first error of the reply, {@code Nbd.E*}
         */
        void onDone(PendingRequest request, int error);
    }

    /** Where the transmission stands. */
    public enum State {
        /** Replies are taken. */
        OPEN,
        /** The client wants no more of it. */
        CLOSED,
        /** The server broke a rule after which its bytes mean nothing: close. */
        VIOLATED
    }

    /** What the next bytes are. */
    private enum Part {
        HEADER,
        DATA,
        EXTENTS,
        SKIP
    }

    private static final int OFFSET_LENGTH = Long.BYTES;
    private static final int HOLE_LENGTH = 12;
    private static final long ERROR_LENGTH = 6;
    private static final int CHUNK_HEADER_LENGTH_MAX = 32;

    /** No part of a reply needs more bytes in a row; a receive buffer of this size is enough. */
    public static final int MESSAGE_LENGTH_MAX =
            CHUNK_HEADER_LENGTH_MAX + (int) ERROR_LENGTH + Nbd.STRING_LENGTH_MAX + OFFSET_LENGTH;

    /** Beyond its text an error chunk of an unknown type may have fields; not more than this. */
    private static final int ERROR_CHUNK_LENGTH_MAX = 1 << 16;

    private final ClientNegotiated negotiated;
    private final PendingRequests pending;
    private final Handler handler;
    private final boolean extended;
    private final BlockStatusReader status;

    private State state = State.OPEN;
    private String violation = "";

    // The chunk at hand.
    private Part part = Part.HEADER;
    private PendingRequest request;
    private boolean last;
    private long offset;
    private long remaining;

    /**
     * A transmission under what the handshake settled.
     *
     * @param pending the requests in flight; a reply's end removes its request
     */
    public ClientTransmission(
            final ClientNegotiated negotiated,
            final PendingRequests pending,
            final Handler handler) {
        this.negotiated = negotiated;
        this.pending = pending;
        this.handler = handler;
        extended = negotiated.replyStyle() == ReplyStyle.EXTENDED;
        status = new BlockStatusReader(negotiated, handler, this::violate);
    }

    /** Where it stands now. */
    public State state() {
        return state;
    }

    /** What the server did, once the state is {@link State#VIOLATED}: a sentence for people. */
    public String violation() {
        return violation;
    }

    /** Takes no more. A handler may call this in the midst of {@link #receive}. */
    public void close() {
        if (state == State.OPEN) {
            state = State.CLOSED;
        }
    }

    /**
     * The read whose data comes next, or null where anything else does. If what was received has
     * all been taken, the driver may receive the data right where it belongs: at most {@link
     * #dataRemaining} bytes, the first being that at {@link #dataOffset} of the export. It then
     * says how many, by {@link #dataReceived}, and the handler isn't told of them.
     */
    public PendingRequest dataRequest() {
        return part == Part.DATA ? request : null;
    }

    /** How many bytes of the data at hand are still to come. */
    public long dataRemaining() {
        return remaining;
    }

    /** Where in the export the data at hand goes on. */
    public long dataOffset() {
        return offset;
    }

    /** So many bytes of the data at hand were received past this machine. */
    public void dataReceived(final long length) {
        assert part == Part.DATA && length <= remaining;
        offset += length;
        remaining -= length;
        if (remaining == 0) {
            endChunk();
        }
    }

    /**
     * Takes all that can be taken.
     *
     * @param memory what was received
     * @param start position of the first byte not yet taken
     * @param limit behind the last byte received
     * @return the position behind what was taken; fewer than {@link #MESSAGE_LENGTH_MAX} bytes stay
     */
    public long receive(final MemorySegment memory, final long start, final long limit) {
        long position = start;
        while (state == State.OPEN) {
            final long taken =
                    switch (part) {
                        case HEADER -> header(memory, position, limit - position);
                        case DATA -> data(memory, position, limit - position);
                        case EXTENTS -> extents(memory, position, limit - position);
                        case SKIP -> skip(limit - position);
                    };
            if (taken == 0) {
                break;
            }
            position += taken;
        }
        return position;
    }

    // ---- Headers, with those fields of fixed length that follow them. All answer how many bytes
    // they took: none where there are too few.

    private long header(final MemorySegment memory, final long position, final long available) {
        if (available < Integer.BYTES) {
            return 0;
        }
        final int magic = Wire.getInt(memory, position);
        final boolean known =
                switch (magic) {
                    case Nbd.SIMPLE_REPLY_MAGIC -> !extended;
                    case Nbd.STRUCTURED_REPLY_MAGIC ->
                            negotiated.replyStyle() == ReplyStyle.STRUCTURED;
                    case Nbd.EXTENDED_REPLY_MAGIC -> extended;
                    default -> false;
                };
        if (!known) {
            violate(
                    "no reply of the agreed style where one was due",
                    Integer.toUnsignedLong(magic));
            return 0;
        }
        return magic == Nbd.SIMPLE_REPLY_MAGIC
                ? simpleReply(memory, position, available)
                : chunk(memory, position, available);
    }

    private long simpleReply(
            final MemorySegment memory, final long position, final long available) {
        final int length = ReplyStyle.SIMPLE.chunkHeaderLength();
        if (available < length) {
            return 0;
        }
        if (!findRequest(Wire.getLong(memory, position + 8))) {
            return 0;
        }
        last = true;
        final int error = Wire.getInt(memory, position + 4);
        if (error != 0) {
            onError(knownError(error), -1, "");
            endChunk();
        } else if (request.command() == Nbd.CMD_READ) {
            if (negotiated.replyStyle() != ReplyStyle.SIMPLE) {
                violate(
                        "simple reply to a read, where structured ones were agreed on, cookie",
                        request.cookie());
                return 0;
            }
            startData(request.offset(), request.length());
        } else {
            endChunk();
        }
        return length;
    }

    private long chunk(final MemorySegment memory, final long position, final long available) {
        final int headerLength = negotiated.replyStyle().chunkHeaderLength();
        if (available < headerLength) {
            return 0;
        }
        if (!findRequest(Wire.getLong(memory, position + 8))) {
            return 0;
        }
        if (extended && Wire.getLong(memory, position + 16) != request.offset()) {
            violate("reply repeats a wrong offset", Wire.getLong(memory, position + 16));
            return 0;
        }
        last = (Wire.getUnsignedShort(memory, position + 4) & Nbd.REPLY_FLAG_DONE) != 0;
        final int type = Wire.getUnsignedShort(memory, position + 6);
        final long length =
                extended
                        ? Wire.getLong(memory, position + 24)
                        : Wire.getUnsignedInt(memory, position + 16);
        final long payload = position + headerLength;
        final long payloadAvailable = available - headerLength;
        final long taken =
                switch (type) {
                    case Nbd.REPLY_TYPE_NONE -> none(length);
                    case Nbd.REPLY_TYPE_OFFSET_DATA ->
                            offsetData(memory, payload, payloadAvailable, length);
                    case Nbd.REPLY_TYPE_OFFSET_HOLE ->
                            offsetHole(memory, payload, payloadAvailable, length);
                    case Nbd.REPLY_TYPE_BLOCK_STATUS, Nbd.REPLY_TYPE_BLOCK_STATUS_EXT ->
                            blockStatus(memory, payload, payloadAvailable, type, length);
                    default -> {
                        if ((type & Nbd.REPLY_TYPE_FLAG_ERROR) == 0) {
                            violate("unknown reply chunk type", type);
                            yield -1;
                        }
                        yield error(memory, payload, payloadAvailable, type, length);
                    }
                };
        return taken < 0 ? 0 : headerLength + taken;
    }

    private boolean findRequest(final long cookie) {
        request = pending.find(cookie);
        if (request == null) {
            violate("reply to a request that is not in flight, cookie", cookie);
        }
        return request != null;
    }

    // ---- Payloads, by chunk type. All answer how many bytes of the payload they took: -1 where
    // there are too few, or the state is no longer open.

    private long none(final long length) {
        if (length != 0 || !last) {
            violate("chunk of type NONE with a payload, or not the last, length", length);
            return -1;
        }
        endChunk();
        return 0;
    }

    private long offsetData(
            final MemorySegment memory,
            final long payload,
            final long available,
            final long length) {
        if (length <= OFFSET_LENGTH) {
            violate("data chunk of a wrong length", length);
            return -1;
        }
        if (available < OFFSET_LENGTH) {
            return -1;
        }
        final long dataOffset = Wire.getLong(memory, payload);
        if (!checkContent(dataOffset, length - OFFSET_LENGTH)) {
            return -1;
        }
        startData(dataOffset, length - OFFSET_LENGTH);
        return OFFSET_LENGTH;
    }

    private long offsetHole(
            final MemorySegment memory,
            final long payload,
            final long available,
            final long length) {
        if (length != HOLE_LENGTH) {
            violate("hole chunk of a wrong length", length);
            return -1;
        }
        if (available < HOLE_LENGTH) {
            return -1;
        }
        final long holeOffset = Wire.getLong(memory, payload);
        final long holeLength = Wire.getUnsignedInt(memory, payload + OFFSET_LENGTH);
        if (holeLength == 0) {
            violate("hole chunk of no bytes, at offset", holeOffset);
            return -1;
        }
        if (!checkContent(holeOffset, holeLength)) {
            return -1;
        }
        handler.onHole(request, holeOffset, holeLength);
        if (state == State.OPEN) {
            endChunk();
        }
        return HOLE_LENGTH;
    }

    private boolean checkContent(final long contentOffset, final long length) {
        if (request.command() != Nbd.CMD_READ) {
            violate("data in a reply to another command than read", request.command());
        } else if (!request.contains(contentOffset, length)) {
            violate("data beyond what was asked for, at offset", contentOffset);
        } else if (!request.cover(contentOffset, length)) {
            violate("data overlaps with an earlier chunk of the reply, at offset", contentOffset);
        } else if (request.has(Nbd.CMD_FLAG_DF) && request.contentChunks() > 1) {
            violate(
                    "read that must not be fragmented came in parts, the second at offset",
                    contentOffset);
        }
        return state == State.OPEN;
    }

    private long blockStatus(
            final MemorySegment memory,
            final long payload,
            final long available,
            final int type,
            final long length) {
        final long taken = status.begin(request, memory, payload, available, type, length);
        if (taken >= 0) {
            part = Part.EXTENTS;
        }
        return taken;
    }

    private long error(
            final MemorySegment memory,
            final long payload,
            final long available,
            final int type,
            final long length) {
        final boolean hasOffset =
                type == Nbd.REPLY_TYPE_ERROR_OFFSET && request.command() != Nbd.CMD_FLUSH;
        final long fixedLength = ERROR_LENGTH + (hasOffset ? OFFSET_LENGTH : 0);
        if (length < fixedLength || length > ERROR_CHUNK_LENGTH_MAX) {
            violate("error chunk of a wrong length", length);
            return -1;
        }
        if (available < ERROR_LENGTH) {
            return -1;
        }
        final int error = Wire.getInt(memory, payload);
        final int textLength = Wire.getUnsignedShort(memory, payload + 4);
        if (error == 0 || textLength > length - fixedLength || textLength > Nbd.STRING_LENGTH_MAX) {
            violate("error chunk with no error, or a text of a wrong length", textLength);
            return -1;
        }
        if (available < fixedLength + textLength) {
            return -1;
        }
        long errorOffset = -1;
        if (hasOffset) {
            errorOffset = Wire.getLong(memory, payload + ERROR_LENGTH + textLength);
            if (!request.contains(errorOffset, 1)) {
                violate("error beyond what was asked for, at offset", errorOffset);
                return -1;
            }
        }
        onError(
                knownError(error),
                errorOffset,
                DisplayText.of(memory, payload + ERROR_LENGTH, textLength));
        part = Part.SKIP; // what a type that isn't known here has besides
        remaining = length - fixedLength - textLength;
        if (remaining == 0 && state == State.OPEN) {
            endChunk();
        }
        return fixedLength + textLength;
    }

    /** Section "Error values": an unexpected one is to be taken for EINVAL. */
    private static int knownError(final int error) {
        return switch (error) {
            case Nbd.EPERM,
                    Nbd.EIO,
                    Nbd.ENOMEM,
                    Nbd.EINVAL,
                    Nbd.ENOSPC,
                    Nbd.EOVERFLOW,
                    Nbd.ENOTSUP,
                    Nbd.ESHUTDOWN ->
                    error;
            default -> Nbd.EINVAL;
        };
    }

    private void onError(final int error, final long errorOffset, final String text) {
        request.fail(error);
        handler.onError(request, error, errorOffset, text);
    }

    // ---- What comes piece by piece.

    private void startData(final long dataOffset, final long length) {
        offset = dataOffset;
        remaining = length;
        part = Part.DATA;
        if (length == 0) {
            endChunk();
        }
    }

    private long data(final MemorySegment memory, final long position, final long available) {
        final long length = Math.min(available, remaining);
        if (length > 0) {
            handler.onData(request, offset, memory, position, length);
            if (state == State.OPEN) {
                dataReceived(length);
            }
        }
        return length;
    }

    private long extents(final MemorySegment memory, final long position, final long available) {
        long taken = 0;
        long count = -1;
        while (state == State.OPEN && !status.isDone() && count != 0) {
            count = status.extent(memory, position + taken, available - taken);
            taken += count;
        }
        if (state == State.OPEN && status.isDone()) {
            endChunk();
        }
        return taken;
    }

    private long skip(final long available) {
        final long length = Math.min(available, remaining);
        remaining -= length;
        if (remaining == 0) {
            endChunk();
        }
        return length;
    }

    // ---- The end of a chunk, of a reply, of it all.

    private void endChunk() {
        part = Part.HEADER;
        if (!last) {
            return;
        }
        if (request.error() == 0 && !isComplete()) {
            violate("reply ended with a part missing, cookie", request.cookie());
            return;
        }
        final PendingRequest done = request;
        request = null;
        pending.remove(done);
        handler.onDone(done, done.error());
    }

    private boolean isComplete() {
        return switch (request.command()) {
            case Nbd.CMD_READ ->
                    negotiated.replyStyle() == ReplyStyle.SIMPLE || request.isCovered();
            case Nbd.CMD_BLOCK_STATUS -> request.contextCount() == negotiated.contexts().size();
            default -> true;
        };
    }

    private void violate(final String what, final long number) {
        state = State.VIOLATED;
        violation = "server broke the protocol: " + what + " 0x" + Long.toHexString(number);
    }
}
