package io.lockstep.hardening;

import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * A request as it lies in a client's stream, read by other eyes than the server's.
 *
 * @param payload where its payload begins in the stream
 * @param complete whether all of it is there
 */
record SentRequest(
        int flags,
        int command,
        long offset,
        long length,
        int payload,
        long payloadLength,
        boolean complete) {

    /**
     * The requests of a stream, up to the first thing that is none. Numbers them: their cookies are
     * overwritten.
     */
    static List<SentRequest> parse(final ReplyStyle style, final byte[] stream) {
        final boolean extended = style == ReplyStyle.EXTENDED;
        final int header = style.requestHeaderLength();
        final int magic = extended ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC;
        final ByteBuffer buffer = ByteBuffer.wrap(stream);
        final List<SentRequest> requests = new ArrayList<>();
        int at = 0;
        while (stream.length - at >= header && buffer.getInt(at) == magic) {
            final int flags = Short.toUnsignedInt(buffer.getShort(at + 4));
            final int command = Short.toUnsignedInt(buffer.getShort(at + 6));
            final long length =
                    extended
                            ? buffer.getLong(at + 24)
                            : Integer.toUnsignedLong(buffer.getInt(at + 24));
            final boolean hasPayload =
                    extended ? (flags & Nbd.CMD_FLAG_PAYLOAD_LEN) != 0 : command == Nbd.CMD_WRITE;
            final long payload = hasPayload ? length : 0;
            if (payload < 0 || payload > Nbd.PAYLOAD_LENGTH_DEFAULT_MAX) {
                break;
            }
            buffer.putLong(at + 8, requests.size());
            final boolean complete = stream.length - at - header >= payload;
            if (command == Nbd.CMD_DISC && complete) {
                break;
            }
            requests.add(
                    new SentRequest(
                            flags,
                            command,
                            buffer.getLong(at + 16),
                            length,
                            at + header,
                            payload,
                            complete));
            if (!complete) {
                break;
            }
            at += header + (int) payload;
        }
        return requests;
    }

    boolean isWithin(final long size) {
        return offset >= 0 && length >= 0 && offset <= size && length <= size - offset;
    }

    /** Whether there can be no doubt that it is right. */
    boolean isPlain(final long size) {
        return flags == 0 && complete && isWithin(size) && command == Nbd.CMD_READ;
    }
}
