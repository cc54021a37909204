package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The client's side of the fixed newstyle handshake: from the greeting to the transmission phase,
 * or to the answer that was asked for.
 *
 * <p>It knows no socket and no clock: the driver hands it what was received ({@link #receive}) and
 * sends what it finds in {@link #output()}. One option is under way at a time, as the protocol
 * demands. The server is not trusted: no message may be longer than {@link #MESSAGE_LENGTH_MAX},
 * and the answer to one option no longer than {@link #ANSWER_LENGTH_MAX}, however many messages it
 * has. How long a handshake may take is for the driver to say.
 *
 * <p>Single threaded. Source: {@code doc/proto.md}, "Newstyle negotiation", "Fixed newstyle
 * negotiation", "Option types", "Option reply types".
 */
public final class ClientHandshake {
    private static final int REPLY_HEADER_LENGTH = 20;

    /** The longest reply that the protocol knows: a listed export's name and description. */
    private static final int REPLY_DATA_LENGTH_MAX = Integer.BYTES + 2 * Nbd.STRING_LENGTH_MAX;

    /** No message is longer; a receive buffer of this size is enough; in bytes. */
    public static final int MESSAGE_LENGTH_MAX = REPLY_HEADER_LENGTH + REPLY_DATA_LENGTH_MAX;

    /** All the replies to one option together are never longer; in bytes. */
    public static final int ANSWER_LENGTH_MAX = 4 << 20;

    /** Where a handshake stands. */
    public enum State {
        /** Waits for the server. */
        NEGOTIATING,
        /** Settled: the output goes out, and what follows are requests. */
        TRANSMISSION,
        /** What was asked for is known: send the output, then close. */
        ENDED,
        /** It came to nothing: send the output, then close. */
        FAILED
    }

    private static final int GREETING_LENGTH = 18;
    private static final int EXPORT_NAME_ANSWER_LENGTH = 10;
    private static final int NO_OPTION = 0;
    private static final int[] INFORMATION_WANTED = {
        Nbd.INFO_NAME, Nbd.INFO_DESCRIPTION, Nbd.INFO_BLOCK_SIZE
    };

    private final ClientOptions options;
    private final WireWriter output = new WireWriter();

    private State state = State.NEGOTIATING;
    private String failure = "";
    private int option = NO_OPTION;
    private long answerLength;
    private boolean fixedNewstyle;
    private boolean noZeroes;

    private ReplyStyle replyStyle = ReplyStyle.SIMPLE;
    private final List<SelectedContext> contexts = new ArrayList<>();
    private final List<ListedExport> exports = new ArrayList<>();
    private final OfferedExport export;

    /** Waits for the greeting. */
    public ClientHandshake(final ClientOptions options) {
        this.options = options;
        export = new OfferedExport(options.exportName());
    }

    /** Where it stands now. */
    public State state() {
        return state;
    }

    /** What is to be sent. */
    public WireWriter output() {
        return output;
    }

    /** Why it came to nothing, once the state is {@link State#FAILED}: a sentence for people. */
    public String failure() {
        return failure;
    }

    /**
     * What was agreed on, once the state is {@link State#TRANSMISSION}; what would be agreed on,
     * once information was asked for and the state is {@link State#ENDED}.
     */
    public ClientNegotiated negotiated() {
        return new ClientNegotiated(
                export.under(replyStyle, !contexts.isEmpty()), replyStyle, contexts);
    }

    /** The server's exports, once a list was asked for and the state is {@link State#ENDED}. */
    public List<ListedExport> exports() {
        return List.copyOf(exports);
    }

    /**
     * Takes one message.
     *
     * @param memory what was received
     * @param position of the first byte not yet taken
     * @param limit behind the last byte received
     * @return the position behind what was taken; unchanged where the message is not complete yet.
     *     Call again while it moves and the state is {@link State#NEGOTIATING}.
     */
    public long receive(final MemorySegment memory, final long position, final long limit) {
        if (state != State.NEGOTIATING) {
            return position;
        }
        try {
            return switch (option) {
                case NO_OPTION -> greeting(memory, position, limit);
                case Nbd.OPT_EXPORT_NAME -> exportNameAnswer(memory, position, limit);
                default -> reply(memory, position, limit);
            };
        } catch (final MalformedMessageException malformed) {
            fail(
                    "server sent a wrong reply to "
                            + HandshakeWords.option(option)
                            + ": "
                            + malformed.getMessage());
            return position;
        }
    }

    /** The server has sent its last byte. */
    public void end() {
        if (state != State.NEGOTIATING) {
            return;
        }
        fail(
                switch (option) {
                    case NO_OPTION ->
                            "server closed the connection without an NBD greeting; is it an NBD"
                                    + " server, and does it take another client?";
                    case Nbd.OPT_EXPORT_NAME ->
                            // All that this option leaves to a server that refuses.
                            "server closed the connection when asked for export "
                                    + HandshakeWords.quoted(options.exportName())
                                    + "; does it have one of that name?";
                    default ->
                            "server closed the connection during " + HandshakeWords.option(option);
                });
    }

    private long greeting(final MemorySegment memory, final long position, final long limit) {
        final long available = limit - position;
        if (available >= Long.BYTES && Wire.getLong(memory, position) != Nbd.INIT_PASSWD) {
            fail(
                    "server sent no NBD greeting; it is no NBD server, or it expects TLS from the"
                            + " start");
            return position;
        }
        if (available >= 2 * Long.BYTES) {
            final long magic = Wire.getLong(memory, position + Long.BYTES);
            if (magic == Nbd.CLISERV_MAGIC) {
                fail(
                        "server speaks only the oldstyle handshake, which has no export names;"
                                + " newstyle is needed");
                return position;
            }
            if (magic != Nbd.OPTS_MAGIC) {
                fail(
                        "server greets with an unknown handshake 0x"
                                + Long.toHexString(magic)
                                + "; newstyle is needed");
                return position;
            }
        }
        if (available < GREETING_LENGTH) {
            return position;
        }
        onServerFlags(Wire.getUnsignedShort(memory, position + 2 * Long.BYTES));
        return position + GREETING_LENGTH;
    }

    private void onServerFlags(final int flags) {
        fixedNewstyle = (flags & Nbd.FLAG_FIXED_NEWSTYLE) != 0;
        noZeroes = (flags & Nbd.FLAG_NO_ZEROES) != 0;
        if (!fixedNewstyle && options.goal() != ClientOptions.Goal.TRANSMISSION) {
            fail("server is too old to tell of its exports: it has no fixed newstyle handshake");
            return;
        }
        output.putInt(
                (fixedNewstyle ? Nbd.FLAG_C_FIXED_NEWSTYLE : 0)
                        | (noZeroes ? Nbd.FLAG_C_NO_ZEROES : 0));
        if (!fixedNewstyle) {
            sendExportName(); // the only option that such a server knows
        } else if (options.goal() == ClientOptions.Goal.LIST) {
            optionHeader(Nbd.OPT_LIST, 0);
        } else {
            askForStyle(options.replyStyle());
        }
    }

    // ---- The order in which options are sent.

    private void askForStyle(final ReplyStyle style) {
        switch (style) {
            case EXTENDED -> optionHeader(Nbd.OPT_EXTENDED_HEADERS, 0);
            case STRUCTURED -> optionHeader(Nbd.OPT_STRUCTURED_REPLY, 0);
            case SIMPLE -> onStyle(ReplyStyle.SIMPLE);
        }
    }

    private void onStyle(final ReplyStyle style) {
        replyStyle = style;
        if (style == ReplyStyle.SIMPLE || options.metaContexts().isEmpty()) {
            sendInfoOrGo();
        } else {
            sendSetMetaContext();
        }
    }

    private void sendSetMetaContext() {
        final byte[] exportName = utf8(options.exportName());
        final List<byte[]> queries =
                options.metaContexts().stream().map(ClientHandshake::utf8).toList();
        int length = Integer.BYTES + exportName.length + Integer.BYTES;
        for (final byte[] query : queries) {
            length += Integer.BYTES + query.length;
        }
        optionHeader(Nbd.OPT_SET_META_CONTEXT, length);
        putString(exportName);
        output.putInt(queries.size());
        queries.forEach(this::putString);
    }

    private void sendInfoOrGo() {
        final byte[] exportName = utf8(options.exportName());
        optionHeader(
                options.goal() == ClientOptions.Goal.INFO ? Nbd.OPT_INFO : Nbd.OPT_GO,
                Integer.BYTES + exportName.length + Short.BYTES * (1 + INFORMATION_WANTED.length));
        putString(exportName);
        output.putShort(INFORMATION_WANTED.length);
        for (final int type : INFORMATION_WANTED) {
            output.putShort(type);
        }
    }

    private void sendExportName() {
        final byte[] exportName = utf8(options.exportName());
        optionHeader(Nbd.OPT_EXPORT_NAME, exportName.length);
        output.putBytes(exportName);
    }

    private void optionHeader(final int sentOption, final int length) {
        output.putLong(Nbd.OPTS_MAGIC);
        output.putInt(sentOption);
        output.putInt(length);
        option = sentOption;
        answerLength = 0;
    }

    private void putString(final byte[] bytes) {
        output.putInt(bytes.length);
        output.putBytes(bytes);
    }

    // ---- What comes back.

    private long exportNameAnswer(final MemorySegment memory, final long position, final long limit)
            throws MalformedMessageException {
        final int length = EXPORT_NAME_ANSWER_LENGTH + (noZeroes ? 0 : Nbd.EXPORT_NAME_PADDING);
        if (limit - position < length) {
            return position;
        }
        export.onExport(
                Wire.getLong(memory, position), Wire.getUnsignedShort(memory, position + 8));
        state = State.TRANSMISSION;
        return position + length;
    }

    private long reply(final MemorySegment memory, final long position, final long limit)
            throws MalformedMessageException {
        if (limit - position < REPLY_HEADER_LENGTH) {
            return position;
        }
        if (Wire.getLong(memory, position) != Nbd.REP_MAGIC) {
            throw new MalformedMessageException("wrong magic number");
        }
        final int answered = Wire.getInt(memory, position + 8);
        if (answered != option) {
            throw new MalformedMessageException(
                    "it answers " + HandshakeWords.option(answered) + " instead");
        }
        final int type = Wire.getInt(memory, position + 12);
        final long length = Wire.getUnsignedInt(memory, position + 16);
        if (length > REPLY_DATA_LENGTH_MAX) {
            throw new MalformedMessageException(
                    "it has "
                            + length
                            + " bytes; no reply may be longer than "
                            + REPLY_DATA_LENGTH_MAX);
        }
        final long data = position + REPLY_HEADER_LENGTH;
        if (limit - data < length) {
            return position;
        }
        answerLength += REPLY_HEADER_LENGTH + length;
        if (answerLength > ANSWER_LENGTH_MAX) {
            throw new MalformedMessageException(
                    "the answer is longer than " + ANSWER_LENGTH_MAX + " bytes");
        }
        onReply(type, new MessageReader(memory, data, data + length));
        return data + length;
    }

    private void onReply(final int type, final MessageReader data)
            throws MalformedMessageException {
        if ((type & Nbd.REP_FLAG_ERROR) != 0) {
            onError(type, data.displayText());
        } else if (type == Nbd.REP_ACK) {
            data.requireEnd();
            onAcknowledged();
        } else if (type == Nbd.REP_INFO && (option == Nbd.OPT_INFO || option == Nbd.OPT_GO)) {
            export.onInformation(data);
        } else if (type == Nbd.REP_META_CONTEXT && option == Nbd.OPT_SET_META_CONTEXT) {
            onContext(data.integer(), data.string(data.remaining()));
        } else if (type == Nbd.REP_SERVER && option == Nbd.OPT_LIST) {
            exports.add(new ListedExport(data.lengthAndString(), data.string(data.remaining())));
        } else {
            throw new MalformedMessageException("reply type " + type + " is not for this option");
        }
    }

    private void onAcknowledged() throws MalformedMessageException {
        switch (option) {
            case Nbd.OPT_EXTENDED_HEADERS -> onStyle(ReplyStyle.EXTENDED);
            case Nbd.OPT_STRUCTURED_REPLY -> onStyle(ReplyStyle.STRUCTURED);
            case Nbd.OPT_SET_META_CONTEXT -> sendInfoOrGo();
            case Nbd.OPT_LIST -> leave(State.ENDED);
            default -> {
                if (!export.isKnown()) {
                    throw new MalformedMessageException("the export's size and flags are missing");
                }
                if (option == Nbd.OPT_INFO) {
                    leave(State.ENDED);
                } else {
                    state = State.TRANSMISSION;
                }
            }
        }
    }

    private void onError(final int error, final String text) {
        final boolean canGoOn =
                error != Nbd.REP_ERR_SHUTDOWN
                        && error != Nbd.REP_ERR_TLS_REQD
                        && error != Nbd.REP_ERR_EXT_HEADER_REQD;
        if (canGoOn && option == Nbd.OPT_EXTENDED_HEADERS) {
            askForStyle(ReplyStyle.STRUCTURED);
        } else if (canGoOn && option == Nbd.OPT_STRUCTURED_REPLY) {
            askForStyle(ReplyStyle.SIMPLE);
        } else if (canGoOn && option == Nbd.OPT_SET_META_CONTEXT && error != Nbd.REP_ERR_UNKNOWN) {
            // Where the export is unknown its contexts are too: it may be there a moment later.
            contexts.clear(); // what came before an error doesn't count
            sendInfoOrGo();
        } else if (error == Nbd.REP_ERR_UNSUP
                && option == Nbd.OPT_GO
                && replyStyle != ReplyStyle.EXTENDED) {
            sendExportName();
        } else {
            failure = HandshakeWords.refusal(option, options.exportName(), error, text);
            leave(State.FAILED);
        }
    }

    private void onContext(final int id, final String context) throws MalformedMessageException {
        // A query selects one context at most, which bounds their number.
        if (contexts.size() == options.metaContexts().size()) {
            throw new MalformedMessageException("more metadata contexts than were asked for");
        }
        for (final SelectedContext earlier : contexts) {
            if (earlier.id() == id) {
                throw new MalformedMessageException("metadata context ID " + id + " is used twice");
            }
        }
        contexts.add(new SelectedContext(id, context));
    }

    // ---- The end.

    /** Ends the session in the way that the protocol calls soft. Nobody waits for the answer. */
    private void leave(final State finalState) {
        optionHeader(Nbd.OPT_ABORT, 0);
        state = finalState;
    }

    private void fail(final String sentence) {
        failure = sentence;
        state = State.FAILED;
    }

    private static byte[] utf8(final String string) {
        return string.getBytes(StandardCharsets.UTF_8);
    }
}
