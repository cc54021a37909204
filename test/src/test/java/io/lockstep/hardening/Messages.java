package io.lockstep.hardening;

import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.util.List;

/** A client's messages, right or wrong as the caller wants them. Nothing here checks anything. */
final class Messages {
    static final int FLAGS = Nbd.FLAG_C_FIXED_NEWSTYLE | Nbd.FLAG_C_NO_ZEROES;

    private Messages() {}

    static Bytes flags(final int flags) {
        return new Bytes().u32(flags);
    }

    static Bytes option(final int option, final Bytes data) {
        return optionHeader(option, data.length()).put(data);
    }

    static Bytes option(final int option) {
        return option(option, new Bytes());
    }

    /** An option that says how long its data is, and leaves it out. */
    static Bytes optionHeader(final int option, final int length) {
        return new Bytes().u64(Nbd.OPTS_MAGIC).u32(option).u32(length);
    }

    static Bytes string(final String text) {
        final Bytes bytes = Bytes.text(text);
        return new Bytes().u32(bytes.length()).put(bytes);
    }

    /** The data of INFO and GO. */
    static Bytes info(final String export, final int... types) {
        final Bytes data = string(export).u16(types.length);
        for (final int type : types) {
            data.u16(type);
        }
        return data;
    }

    /** The data of LIST_META_CONTEXT and SET_META_CONTEXT. */
    static Bytes queries(final String export, final String... queries) {
        final Bytes data = string(export).u32(queries.length);
        for (final String query : queries) {
            data.put(string(query));
        }
        return data;
    }

    static Bytes go(final String export) {
        return option(Nbd.OPT_GO, info(export));
    }

    /** What a client says to get to transmission in a style, with base:allocation if it can. */
    static Bytes handshake(final ReplyStyle style, final String export) {
        final Bytes bytes = flags(FLAGS);
        switch (style) {
            case SIMPLE -> {}
            case STRUCTURED -> bytes.put(option(Nbd.OPT_STRUCTURED_REPLY));
            case EXTENDED -> bytes.put(option(Nbd.OPT_EXTENDED_HEADERS));
        }
        if (style != ReplyStyle.SIMPLE) {
            bytes.put(
                    option(Nbd.OPT_SET_META_CONTEXT, queries(export, Nbd.CONTEXT_BASE_ALLOCATION)));
        }
        return bytes.put(go(export));
    }

    /**
     * What QEMU 8 to 10 says first, as seen on the wire: structured replies, the allocation and a
     * dirty bitmap, then GO with the block size.
     */
    static Bytes qemuHandshake(final String export) {
        return flags(FLAGS)
                .put(option(Nbd.OPT_STRUCTURED_REPLY))
                .put(option(Nbd.OPT_SET_META_CONTEXT, queries(export, Nbd.CONTEXT_BASE_ALLOCATION)))
                .put(option(Nbd.OPT_GO, info(export, Nbd.INFO_BLOCK_SIZE)));
    }

    /** What libnbd says: extended headers first, structured replies where they were refused. */
    static Bytes libnbdHandshake(final String export) {
        return flags(FLAGS)
                .put(option(Nbd.OPT_EXTENDED_HEADERS))
                .put(option(Nbd.OPT_SET_META_CONTEXT, queries(export, Nbd.CONTEXT_BASE_ALLOCATION)))
                .put(
                        option(
                                Nbd.OPT_GO,
                                info(
                                        export,
                                        Nbd.INFO_NAME,
                                        Nbd.INFO_DESCRIPTION,
                                        Nbd.INFO_BLOCK_SIZE)));
    }

    static Bytes request(
            final int flags,
            final int command,
            final long cookie,
            final long offset,
            final int length) {
        return new Bytes()
                .u32(Nbd.REQUEST_MAGIC)
                .u16(flags)
                .u16(command)
                .u64(cookie)
                .u64(offset)
                .u32(length);
    }

    static Bytes extendedRequest(
            final int flags,
            final int command,
            final long cookie,
            final long offset,
            final long length) {
        return new Bytes()
                .u32(Nbd.EXTENDED_REQUEST_MAGIC)
                .u16(flags)
                .u16(command)
                .u64(cookie)
                .u64(offset)
                .u64(length);
    }

    /** A request's header in the form of the style; compact ones keep 32 bits of the length. */
    static Bytes request(
            final ReplyStyle style,
            final int flags,
            final int command,
            final long cookie,
            final long offset,
            final long length) {
        return style == ReplyStyle.EXTENDED
                ? extendedRequest(flags, command, cookie, offset, length)
                : request(flags, command, cookie, offset, (int) length);
    }

    static Bytes read(
            final ReplyStyle style, final long cookie, final long offset, final long length) {
        return request(style, 0, Nbd.CMD_READ, cookie, offset, length);
    }

    static Bytes write(
            final ReplyStyle style, final long cookie, final long offset, final Bytes payload) {
        return writeHeader(style, cookie, offset, payload.length()).put(payload);
    }

    static Bytes writeHeader(
            final ReplyStyle style, final long cookie, final long offset, final long length) {
        final int flags = style == ReplyStyle.EXTENDED ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0;
        return request(style, flags, Nbd.CMD_WRITE, cookie, offset, length);
    }

    static Bytes disconnect(final ReplyStyle style) {
        return request(style, 0, Nbd.CMD_DISC, 0, 0, 0);
    }

    /** All options that the protocol knows of, each as a client of good faith would send it. */
    static List<Bytes> wellFormedOptions(final String export) {
        return List.of(
                option(Nbd.OPT_EXPORT_NAME, Bytes.text(export)),
                option(Nbd.OPT_ABORT),
                option(Nbd.OPT_LIST),
                option(Nbd.OPT_PEEK_EXPORT),
                option(Nbd.OPT_STARTTLS),
                option(Nbd.OPT_INFO, info(export, Nbd.INFO_NAME, Nbd.INFO_BLOCK_SIZE)),
                option(Nbd.OPT_GO, info(export, Nbd.INFO_BLOCK_SIZE)),
                option(Nbd.OPT_STRUCTURED_REPLY),
                option(Nbd.OPT_LIST_META_CONTEXT, queries(export, "base:")),
                option(Nbd.OPT_SET_META_CONTEXT, queries(export, Nbd.CONTEXT_BASE_ALLOCATION)),
                option(Nbd.OPT_EXTENDED_HEADERS));
    }
}
