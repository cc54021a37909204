package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;

/**
 * The server's side of the transmission phase: divides what was received into requests, checks each
 * against the protocol and what was negotiated, and hands it over with its payload where it lies,
 * uncopied.
 *
 * <p>A request is handed over whole: the driver's buffer must hold {@link #messageLengthMax()}
 * bytes in a row. A payload that nobody will use (of a rejected request) is skipped as it comes and
 * needs no room.
 *
 * <p>Single threaded, allocates nothing. Source: {@code doc/proto.md}, "Transmission", "Request
 * types", "Error values".
 */
public final class ServerTransmission {
    /**
     * Takes requests. Both methods answer false while there is no room; the request is offered
     * again.
     */
    public interface Handler {
        /** A request that keeps all the rules: within the export, known, allowed. */
        boolean onRequest(Request request);

        /**
         * A request to be answered with an error and nothing else.
         *
         * @param error an error value, {@code Nbd.E*}
         * @param reason a sentence for the person at the client
         */
        boolean onRejected(Request request, int error, String reason);

        /**
         * A write of which nothing but the header was received. Where this answers true, the driver
         * receives the payload itself, right where the handler wants it, and tells {@link
         * #payloadReceived} of it; {@link #onPayload} follows in place of {@link #onRequest}.
         */
        default boolean onPayloadAhead(final Request request) {
            return false;
        }

        /** The payload is where it was wanted. */
        default void onPayload(final Request request) {
            throw new IllegalStateException("no payload was taken ahead");
        }
    }

    /** Where the transmission stands. */
    public enum State {
        /** Requests are taken. */
        OPEN,
        /** The client said that it is going: answer what is in flight, then close. */
        DISCONNECTED,
        /** The client broke a rule after which its bytes mean nothing: close. */
        VIOLATED
    }

    private static final int BLOCK_STATUS_PAYLOAD_HEADER = 8;

    private final Negotiated negotiated;
    private final Handler handler;
    private final boolean extended;
    private final int headerLength;
    private final long exportSize;
    private final int payloadLengthMax;
    private final int skippablePayloadMax;
    private final long alignmentMask;
    private final boolean hasControl;
    private final int allContexts;
    private final Request request = new Request();

    private State state = State.OPEN;
    private String violation = "";
    private long skipRemaining;
    private long payloadRemaining;
    private long wanted;
    private boolean stalled;

    // The outcome of checking the request at hand: 0, or the error and its reason.
    private int error;
    private String reason = "";

    /** A transmission under what the handshake settled. */
    public ServerTransmission(final Negotiated negotiated, final Handler handler) {
        this.negotiated = negotiated;
        this.handler = handler;
        extended = negotiated.replyStyle() == ReplyStyle.EXTENDED;
        headerLength = negotiated.replyStyle().requestHeaderLength();
        exportSize = negotiated.export().size();
        payloadLengthMax = negotiated.export().payloadLengthMax();
        // A client that wasn't told the limit isn't cut off for it; one of extended headers was.
        skippablePayloadMax =
                extended
                        ? payloadLengthMax
                        : Math.max(payloadLengthMax, Nbd.PAYLOAD_LENGTH_DEFAULT_MAX);
        alignmentMask = negotiated.export().blockSizeMin() - 1L;
        final int control = negotiated.metaContexts().indexOf(Nbd.CONTEXT_CONTROL);
        hasControl = control >= 0;
        allContexts =
                (int) ((1L << negotiated.metaContexts().size()) - 1)
                        & ~(hasControl ? 1 << control : 0);
        wanted = headerLength;
    }

    /** Where it stands now. */
    public State state() {
        return state;
    }

    /** What the client did, once the state is {@link State#VIOLATED}; for the log. */
    public String violation() {
        return violation;
    }

    /** Longest message that is handed over, in bytes: what a receive buffer must hold in a row. */
    public int messageLengthMax() {
        return headerLength + payloadLengthMax;
    }

    /**
     * How many bytes the next message has, as far as is known, from the position that {@link
     * #receive} returned: at least a header's.
     */
    public long wanted() {
        return wanted;
    }

    /**
     * How much of a payload the driver is to receive itself; 0 but after {@link
     * Handler#onPayloadAhead}.
     */
    public long payloadRemaining() {
        return payloadRemaining;
    }

    /** The driver received so much of the payload. */
    public void payloadReceived(final long length) {
        assert length <= payloadRemaining;
        payloadRemaining -= length;
        if (payloadRemaining == 0) {
            handler.onPayload(request);
        }
    }

    /** Whether the handler took no more: offer the rest again when it has room. */
    public boolean isStalled() {
        return stalled;
    }

    /**
     * Takes all messages that are complete.
     *
     * @param memory what was received
     * @param start position of the first byte not yet taken
     * @param limit behind the last byte received
     * @return the position behind the last message taken
     */
    public long receive(final MemorySegment memory, final long start, final long limit) {
        long position = start;
        stalled = false;
        while (state == State.OPEN && payloadRemaining == 0) {
            if (skipRemaining > 0) {
                final long skipped = Math.min(skipRemaining, limit - position);
                skipRemaining -= skipped;
                position += skipped;
            }
            wanted = headerLength;
            if (limit - position < headerLength) {
                break;
            }
            if (!decode(memory, position)) {
                break;
            }
            final long payload = payloadLength();
            if (payload > skippablePayloadMax) {
                violate("payload is longer than the maximum");
                break;
            }
            check();
            if (error != 0) {
                stalled = !handler.onRejected(request, error, reason);
                if (stalled) {
                    break;
                }
                skipRemaining = payload;
                position += headerLength;
            } else {
                wanted = headerLength + payload;
                if (limit - position < wanted) {
                    if (isPayloadAhead(limit - position) && handler.onPayloadAhead(request)) {
                        payloadRemaining = payload;
                        wanted = headerLength;
                        position += headerLength;
                    }
                    break;
                }
                if (request.command == Nbd.CMD_DISC) {
                    state = State.DISCONNECTED;
                    return position + headerLength;
                }
                request.payloadPosition = position + headerLength;
                if (!deliver(memory, payload)) {
                    stalled = true;
                    break;
                }
                position += wanted;
            }
        }
        return position;
    }

    private boolean isPayloadAhead(final long available) {
        return available == headerLength
                && request.command == Nbd.CMD_WRITE
                && !request.has(Nbd.CMD_FLAG_CONTROL);
    }

    private boolean decode(final MemorySegment memory, final long position) {
        final int magic = Wire.getInt(memory, position);
        if (magic != (extended ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC)) {
            violate("no request where one was due");
            return false;
        }
        request.flags = Wire.getUnsignedShort(memory, position + 4);
        request.command = Wire.getUnsignedShort(memory, position + 6);
        request.cookie = Wire.getLong(memory, position + 8);
        request.offset = Wire.getLong(memory, position + 16);
        request.length =
                extended
                        ? Wire.getLong(memory, position + 24)
                        : Wire.getUnsignedInt(memory, position + 24);
        request.contexts = allContexts;
        return true;
    }

    /** Bytes that follow the header; unsigned, and beyond any limit where the client says so. */
    private long payloadLength() {
        final boolean hasPayload =
                extended ? request.has(Nbd.CMD_FLAG_PAYLOAD_LEN) : request.command == Nbd.CMD_WRITE;
        if (!hasPayload) {
            return 0;
        }
        return request.length < 0 ? Long.MAX_VALUE : request.length;
    }

    private boolean deliver(final MemorySegment memory, final long payload) {
        if (request.command == Nbd.CMD_BLOCK_STATUS && payload > 0) {
            decodeBlockStatusPayload(memory, payload);
            if (error != 0) {
                return handler.onRejected(request, error, reason);
            }
        }
        return handler.onRequest(request);
    }

    /**
     * The payload form of a block status: an effect length, then the IDs of the contexts wanted.
     */
    private void decodeBlockStatusPayload(final MemorySegment memory, final long payload) {
        final long position = request.payloadPosition;
        request.length = Wire.getLong(memory, position);
        request.contexts = 0;
        for (long at = BLOCK_STATUS_PAYLOAD_HEADER; at < payload; at += Integer.BYTES) {
            final int id = Wire.getInt(memory, position + at);
            final int bit = id >= 0 && id < Integer.SIZE ? allContexts & 1 << id : 0;
            if (bit == 0 || (request.contexts & bit) != 0) {
                reject(Nbd.EINVAL, "unknown or repeated metadata context");
                return;
            }
            request.contexts |= bit;
        }
        checkBlockStatusRange();
    }

    private void check() {
        error = 0;
        if (hasControl && request.has(Nbd.CMD_FLAG_CONTROL)) {
            checkControl();
            return;
        }
        switch (request.command) {
            case Nbd.CMD_READ -> {
                allowFlags(negotiated.has(Nbd.FLAG_SEND_DF) ? Nbd.CMD_FLAG_DF : 0);
                checkRange(Nbd.EINVAL);
                if (request.length > payloadLengthMax) {
                    reject(Nbd.EOVERFLOW, "read is longer than the maximum payload");
                }
            }
            case Nbd.CMD_WRITE -> {
                allowFlags(extended ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0);
                checkWritable();
                if (extended && !request.has(Nbd.CMD_FLAG_PAYLOAD_LEN)) {
                    reject(Nbd.EINVAL, "write without a payload");
                }
                if (request.length > payloadLengthMax) {
                    reject(Nbd.EINVAL, "write is longer than the maximum payload");
                }
                checkRange(Nbd.ENOSPC);
            }
            case Nbd.CMD_DISC -> {} // whatever it says besides, the client is going
            case Nbd.CMD_FLUSH -> {
                require(Nbd.FLAG_SEND_FLUSH);
                allowFlags(0);
                if (request.offset != 0 || request.length != 0) {
                    reject(Nbd.EINVAL, "flush with an offset or a length");
                }
            }
            case Nbd.CMD_TRIM -> {
                checkWritable();
                require(Nbd.FLAG_SEND_TRIM);
                allowFlags(0);
                checkRange(Nbd.EINVAL);
            }
            case Nbd.CMD_CACHE -> {
                require(Nbd.FLAG_SEND_CACHE);
                allowFlags(0);
                checkRange(Nbd.EINVAL);
            }
            case Nbd.CMD_WRITE_ZEROES -> {
                checkWritable();
                require(Nbd.FLAG_SEND_WRITE_ZEROES);
                allowFlags(
                        Nbd.CMD_FLAG_NO_HOLE
                                | (negotiated.has(Nbd.FLAG_SEND_FAST_ZERO)
                                        ? Nbd.CMD_FLAG_FAST_ZERO
                                        : 0));
                checkRange(Nbd.ENOSPC);
            }
            case Nbd.CMD_BLOCK_STATUS -> checkBlockStatus();
            default -> reject(Nbd.EINVAL, "unknown command");
        }
    }

    private void checkControl() {
        allowFlags(Nbd.CMD_FLAG_CONTROL | (extended ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0));
        if (request.command == Nbd.CMD_CACHE) {
            checkRange(Nbd.EINVAL); // an announcement is of the disk's own range
            return;
        }
        if (request.command != Nbd.CMD_READ && request.command != Nbd.CMD_WRITE) {
            reject(Nbd.EINVAL, "the control space is only read and written");
        }
        if (!isWithin(request.offset, request.length, Nbd.CONTROL_LENGTH)
                && !readsHashes()
                && !readsChanges()) {
            reject(Nbd.EINVAL, "request lies beyond the end of the control space");
        }
    }

    private boolean readsHashes() {
        return reads(
                Nbd.CONTROL_HASHES,
                unitsOf(Nbd.CONTROL_PIECE_LENGTH),
                Nbd.CONTROL_HASH_LENGTH,
                Nbd.CONTROL_HASHES_MAX);
    }

    private boolean readsChanges() {
        return reads(
                Nbd.CONTROL_CHANGES,
                unitsOf(Long.SIZE * Nbd.CONTROL_BLOCK_LENGTH),
                Long.BYTES,
                Nbd.CONTROL_CHANGES_MAX);
    }

    private long unitsOf(final int length) {
        return (negotiated.export().size() + length - 1) / length;
    }

    /** Whether it reads whole units of a part of the control space that has so many. */
    private boolean reads(
            final long start, final long units, final int unitLength, final int lengthMax) {
        return request.command == Nbd.CMD_READ
                && request.offset % unitLength == 0
                && request.length % unitLength == 0
                && request.length <= lengthMax
                && isWithin(request.offset - start, request.length, units * unitLength);
    }

    private void checkBlockStatus() {
        allowFlags(
                Nbd.CMD_FLAG_REQ_ONE
                        | (negotiated.has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD)
                                ? Nbd.CMD_FLAG_PAYLOAD_LEN
                                : 0));
        if (allContexts == 0) {
            reject(Nbd.EINVAL, "block status without a negotiated metadata context");
        }
        if (request.has(Nbd.CMD_FLAG_PAYLOAD_LEN)) {
            final long ids = request.length - BLOCK_STATUS_PAYLOAD_HEADER;
            if (ids <= 0 || ids % Integer.BYTES != 0) {
                reject(Nbd.EINVAL, "block status payload of a wrong length");
            }
            return; // the range is in the payload
        }
        checkBlockStatusRange();
    }

    private void checkBlockStatusRange() {
        checkRange(Nbd.EINVAL);
        if (request.length == 0) {
            reject(Nbd.EINVAL, "block status of nothing");
        }
    }

    private void allowFlags(final int flags) {
        final int fua = negotiated.has(Nbd.FLAG_SEND_FUA) ? Nbd.CMD_FLAG_FUA : 0;
        if ((request.flags & ~(flags | fua)) != 0) {
            reject(Nbd.EINVAL, "unknown or unexpected command flag");
        }
    }

    private void require(final int transmissionFlag) {
        if (!negotiated.has(transmissionFlag)) {
            reject(Nbd.EINVAL, "command was not offered for this export");
        }
    }

    private void checkWritable() {
        if (negotiated.has(Nbd.FLAG_READ_ONLY)) {
            reject(Nbd.EPERM, "export is read-only");
        }
    }

    private void checkRange(final int beyondError) {
        if (!isWithin(request.offset, request.length, exportSize)) {
            reject(beyondError, "request lies beyond the end of the export");
        } else if (((request.offset | request.length) & alignmentMask) != 0) {
            reject(Nbd.EINVAL, "request is not aligned to the minimum block size");
        }
    }

    /**
     * Whether [offset, offset + length) lies in [0, size), all as unsigned numbers, with no
     * overflow.
     */
    static boolean isWithin(final long offset, final long length, final long size) {
        return offset >= 0 && length >= 0 && offset <= size && length <= size - offset;
    }

    /** The first reason stands. */
    private void reject(final int rejectError, final String rejectReason) {
        if (error == 0) {
            error = rejectError;
            reason = rejectReason;
        }
    }

    private void violate(final String what) {
        state = State.VIOLATED;
        violation = what;
    }
}
