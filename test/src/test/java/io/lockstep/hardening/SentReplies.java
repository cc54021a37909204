package io.lockstep.hardening;

import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;

/** What a server sent over one session, held against what the client had sent. */
final class SentReplies {
    private static final int GREETING_LENGTH = 18;

    private final ReplyStyle style;
    private final List<SentRequest> requests;
    private final byte[] stream;
    private final ByteBuffer sent;
    private final boolean inOrder;
    private final boolean breaks;
    private final boolean fails;
    private final byte[] model = FuzzedDisk.initialContent();
    private final boolean[] answered;
    private int next;

    /**
     * Replies.
     *
     * @param stream in which the requests lie
     * @param inOrder whether the disk completed everything at once, so that replies come in the
     *     order of requests, and say what the disk held then
     * @param breaks whether the connection broke, so that replies may be missing
     * @param fails whether the disk failed now and then
     */
    SentReplies(
            final ReplyStyle style,
            final List<SentRequest> requests,
            final byte[] stream,
            final byte[] sent,
            final boolean inOrder,
            final boolean breaks,
            final boolean fails) {
        this.style = style;
        this.requests = requests;
        this.stream = stream;
        this.sent = ByteBuffer.wrap(sent);
        this.inOrder = inOrder;
        this.breaks = breaks;
        this.fails = fails;
        answered = new boolean[requests.size()];
    }

    /**
     * Checks all.
     *
     * @throws java.nio.BufferUnderflowException where the last reply is not whole, and the
     *     connection did not break
     */
    void check() {
        try {
            skipHandshake();
            while (sent.hasRemaining()) {
                checkReply();
            }
        } catch (final java.nio.BufferUnderflowException cut) {
            if (breaks) {
                return;
            }
            throw cut;
        }
        if (!breaks) {
            for (int i = 0; i < answered.length; i++) {
                FuzzCheck.that(
                        answered[i] || !requests.get(i).complete(), "no reply to request ", i);
            }
        }
    }

    private void skipHandshake() {
        skip(GREETING_LENGTH);
        int option;
        int type;
        do {
            FuzzCheck.that(sent.getLong() == Nbd.REP_MAGIC, "magic of an answer");
            option = sent.getInt();
            type = sent.getInt();
            skip(sent.getInt());
        } while (option != Nbd.OPT_GO || type != Nbd.REP_ACK);
    }

    private void skip(final int length) {
        sent.get(new byte[length]);
    }

    private byte[] take(final long length) {
        FuzzCheck.that(length >= 0 && length <= 1 << 20, "length ", length);
        final byte[] taken = new byte[(int) length];
        sent.get(taken);
        return taken;
    }

    private void checkReply() {
        final int magic = sent.getInt();
        if (magic == Nbd.SIMPLE_REPLY_MAGIC && style != ReplyStyle.EXTENDED) {
            final int error = sent.getInt();
            final SentRequest request = request(sent.getLong());
            final boolean isRead = request.command() == Nbd.CMD_READ;
            FuzzCheck.that(
                    !isRead || error != 0 || style == ReplyStyle.SIMPLE, "simple reply to a read");
            onReply(request, error, isRead && error == 0 ? take(request.length()) : new byte[0]);
            return;
        }
        final boolean extended = style == ReplyStyle.EXTENDED;
        FuzzCheck.that(
                magic == (extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC)
                        && style != ReplyStyle.SIMPLE,
                "magic of a reply ",
                magic);
        checkChunks(extended);
    }

    /** This server sends the chunks of a reply in a row. */
    private void checkChunks(final boolean extended) {
        SentRequest request = null;
        byte[] content = new byte[0];
        long covered = 0;
        int error = 0;
        boolean last;
        do {
            if (request != null) {
                FuzzCheck.that(
                        sent.getInt()
                                == (extended
                                        ? Nbd.EXTENDED_REPLY_MAGIC
                                        : Nbd.STRUCTURED_REPLY_MAGIC),
                        "magic of a chunk");
            }
            last = (sent.getShort() & Nbd.REPLY_FLAG_DONE) != 0;
            final int type = Short.toUnsignedInt(sent.getShort());
            final long cookie = sent.getLong();
            if (request == null) {
                request = request(cookie);
                content =
                        new byte[request.isWithin(FuzzedDisk.LENGTH) ? (int) request.length() : 0];
            }
            FuzzCheck.that(!extended || sent.getLong() == request.offset(), "other offset");
            final ByteBuffer payload =
                    ByteBuffer.wrap(take(extended ? sent.getLong() : sent.getInt()));
            switch (type) {
                case Nbd.REPLY_TYPE_NONE -> FuzzCheck.that(last, "NONE is not the last");
                case Nbd.REPLY_TYPE_OFFSET_DATA -> {
                    final int at = (int) (payload.getLong() - request.offset());
                    FuzzCheck.that(at == covered, "chunks out of order");
                    covered += payload.remaining();
                    payload.get(content, at, payload.remaining());
                }
                case Nbd.REPLY_TYPE_OFFSET_HOLE -> {
                    FuzzCheck.that(
                            payload.getLong() - request.offset() == covered, "chunks out of order");
                    covered += payload.getInt();
                }
                case Nbd.REPLY_TYPE_BLOCK_STATUS, Nbd.REPLY_TYPE_BLOCK_STATUS_EXT ->
                        checkStatus(request, extended, payload);
                default -> {
                    FuzzCheck.that(type == Nbd.REPLY_TYPE_ERROR, "chunk type ", type);
                    error = payload.getInt();
                    FuzzCheck.that(error != 0, "error 0");
                    FuzzCheck.that(
                            payload.getShort() == payload.remaining(), "length of an error's text");
                }
            }
        } while (!last);
        final boolean isRead = request.command() == Nbd.CMD_READ;
        FuzzCheck.that(
                !isRead || error != 0 || covered == request.length(),
                "a part of a read is missing");
        onReply(request, error, content);
    }

    private void checkStatus(
            final SentRequest request, final boolean extended, final ByteBuffer payload) {
        FuzzCheck.that(request.command() == Nbd.CMD_BLOCK_STATUS, "status of something else");
        FuzzCheck.that(payload.getInt() == 0, "status of an unknown context");
        final int count = extended ? payload.getInt() : payload.remaining() / 8;
        FuzzCheck.that(count > 0, "status of nothing");
        FuzzCheck.that(count * (extended ? 16 : 8) == payload.remaining(), "length of a status");
        FuzzCheck.that(
                count == 1 || (request.flags() & Nbd.CMD_FLAG_REQ_ONE) == 0, "more than one");
        long at = request.offset();
        for (int i = 0; i < count; i++) {
            final long length = extended ? payload.getLong() : payload.getInt();
            final long flags = extended ? payload.getLong() : payload.getInt();
            FuzzCheck.that(
                    length > 0 && at >= 0 && length <= FuzzedDisk.LENGTH - at,
                    "extent of ",
                    length);
            if (inOrder && (flags & Nbd.STATE_ZERO) != 0) {
                for (long zero = at; zero < at + length; zero++) {
                    FuzzCheck.that(model[(int) zero] == 0, "data in a hole at ", zero);
                }
            }
            at += length;
        }
    }

    private SentRequest request(final long cookie) {
        FuzzCheck.that(
                cookie >= 0 && cookie < answered.length, "reply to nothing, cookie ", cookie);
        final int index = (int) cookie;
        FuzzCheck.that(!answered[index], "second reply to request ", index);
        FuzzCheck.that(!inOrder || index == next, "replies out of order");
        answered[index] = true;
        next++;
        return requests.get(index);
    }

    private void onReply(final SentRequest request, final int error, final byte[] content) {
        if (error != 0) {
            FuzzCheck.that(
                    fails || !request.isPlain(FuzzedDisk.LENGTH), "a good read failed: ", error);
            return;
        }
        FuzzCheck.that(request.complete(), "half a request was done");
        final boolean hasRange =
                request.command() != Nbd.CMD_BLOCK_STATUS || request.payloadLength() == 0;
        FuzzCheck.that(
                !hasRange || request.isWithin(FuzzedDisk.LENGTH), "done beyond the disk's end");
        if (!inOrder) {
            return;
        }
        final int from = (int) request.offset();
        final int to = from + (hasRange ? (int) request.length() : 0);
        switch (request.command()) {
            case Nbd.CMD_READ ->
                    FuzzCheck.that(
                            Arrays.equals(content, Arrays.copyOfRange(model, from, to)),
                            "other data at ",
                            from);
            case Nbd.CMD_WRITE ->
                    System.arraycopy(stream, request.payload(), model, from, to - from);
            case Nbd.CMD_TRIM, Nbd.CMD_WRITE_ZEROES -> Arrays.fill(model, from, to, (byte) 0);
            default -> {}
        }
    }
}
