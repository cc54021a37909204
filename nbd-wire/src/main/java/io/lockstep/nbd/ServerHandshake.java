package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The server's side of the fixed newstyle handshake: from the greeting to the transmission phase,
 * or to the end of the session.
 *
 * <p>It knows no socket and no clock: the driver hands it what was received ({@link #receive}) and
 * sends what it finds in {@link #output()}. It works off one option at a time; the driver feeds it
 * no more until the output has been taken, which bounds the memory of a client that asks and does
 * not read. How long a handshake may take is for the driver to say.
 *
 * <p>Single threaded. Source: {@code doc/proto.md}, "Fixed newstyle negotiation", "Option types".
 */
public final class ServerHandshake {
    /**
     * Option data beyond this is skipped and answered with {@link Nbd#REP_ERR_TOO_BIG}; in bytes.
     */
    public static final int OPTION_LENGTH_MAX = 1 << 16;

    /** No message that is handled whole is longer; a receive buffer of this size is enough. */
    public static final int MESSAGE_LENGTH_MAX = OPTION_LENGTH_MAX + 16;

    /** Where a handshake stands. */
    public enum State {
        /** Waits for the client's flags or for an option. */
        NEGOTIATING,
        /** Settled: what follows in the input are requests. */
        TRANSMISSION,
        /** Over: send the output, then close. */
        CLOSING
    }

    private static final int OPTION_HEADER_LENGTH = 16;
    private static final int HANDSHAKE_FLAGS = Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES;
    private static final int CLIENT_FLAGS = Nbd.FLAG_C_FIXED_NEWSTYLE | Nbd.FLAG_C_NO_ZEROES;

    private final ExportCatalog catalog;
    private final WireWriter output = new WireWriter();

    private State state = State.NEGOTIATING;
    private String closeReason = "";
    private Negotiated negotiated;

    private boolean flagsReceived;
    private boolean noZeroes;
    private boolean shuttingDown;
    private boolean waiting;
    private ReplyStyle replyStyle = ReplyStyle.SIMPLE;
    private String contextsExport = "";
    private List<String> contexts = List.of();
    private long skipRemaining;

    /** Starts with the greeting in the output. */
    public ServerHandshake(final ExportCatalog catalog) {
        this.catalog = catalog;
        output.putLong(Nbd.INIT_PASSWD);
        output.putLong(Nbd.OPTS_MAGIC);
        output.putShort(HANDSHAKE_FLAGS);
    }

    /** Where it stands now. */
    public State state() {
        return state;
    }

    /** What is to be sent, before anything else is received. */
    public WireWriter output() {
        return output;
    }

    /** What was agreed on, once the state is {@link State#TRANSMISSION}. */
    public Negotiated negotiated() {
        return negotiated;
    }

    /**
     * Why the session ends, once the state is {@link State#CLOSING}, for the log; empty where the
     * client has ended it as the protocol wants.
     */
    public String closeReason() {
        return closeReason;
    }

    /** From now on options are refused with {@link Nbd#REP_ERR_SHUTDOWN}. */
    public void shutDown() {
        shuttingDown = true;
    }

    /**
     * Takes one message, or as much as there is of one that is skipped.
     *
     * @param memory what was received
     * @param position of the first byte not yet taken
     * @param limit behind the last byte received
     * @return the position behind what was taken; unchanged where the message is not complete yet.
     *     Call again while it moves, the state is {@link State#NEGOTIATING} and the output is
     *     empty.
     */
    public long receive(final MemorySegment memory, final long position, final long limit) {
        final long available = limit - position;
        if (state != State.NEGOTIATING) {
            return position;
        }
        if (skipRemaining > 0) {
            final long skipped = Math.min(skipRemaining, available);
            skipRemaining -= skipped;
            return position + skipped;
        }
        if (!flagsReceived) {
            if (available < Integer.BYTES) {
                return position;
            }
            onClientFlags(Wire.getInt(memory, position));
            return position + Integer.BYTES;
        }
        if (available < OPTION_HEADER_LENGTH) {
            return position;
        }
        if (Wire.getLong(memory, position) != Nbd.OPTS_MAGIC) {
            close("client sent no option where one was due");
            return limit;
        }
        final int option = Wire.getInt(memory, position + 8);
        final long length = Wire.getUnsignedInt(memory, position + 12);
        final long data = position + OPTION_HEADER_LENGTH;
        if (length > OPTION_LENGTH_MAX) {
            onOversizedOption(option, length);
            return data;
        }
        if (available - OPTION_HEADER_LENGTH < length) {
            return position;
        }
        waiting = false;
        onOption(option, new MessageReader(memory, data, data + length));
        return waiting ? position : data + length;
    }

    /**
     * Whether the option that comes next was received, and the catalog does not know the answer to
     * it yet: nothing is to be received before it does.
     */
    public boolean isWaiting() {
        return waiting;
    }

    private void onClientFlags(final int flags) {
        flagsReceived = true;
        noZeroes = (flags & Nbd.FLAG_C_NO_ZEROES) != 0;
        if ((flags & ~CLIENT_FLAGS) != 0) {
            close("client set unknown flags 0x" + Integer.toHexString(flags));
        }
    }

    private void onOversizedOption(final int option, final long length) {
        if (option == Nbd.OPT_EXPORT_NAME) {
            close("client sent an export name of " + length + " bytes");
            return;
        }
        skipRemaining = length;
        error(
                option,
                Nbd.REP_ERR_TOO_BIG,
                "option data is longer than " + OPTION_LENGTH_MAX + " bytes");
    }

    private void onOption(final int option, final MessageReader data) {
        if (shuttingDown && option != Nbd.OPT_ABORT) {
            onOptionInShutdown(option);
            return;
        }
        try {
            switch (option) {
                case Nbd.OPT_EXPORT_NAME -> onExportName(data);
                case Nbd.OPT_ABORT -> onAbort();
                case Nbd.OPT_LIST -> onList(data);
                case Nbd.OPT_STARTTLS -> onStartTls(data);
                case Nbd.OPT_INFO, Nbd.OPT_GO -> onInfoOrGo(option, data);
                case Nbd.OPT_STRUCTURED_REPLY -> onStructuredReply(data);
                case Nbd.OPT_LIST_META_CONTEXT -> onListMetaContext(data);
                case Nbd.OPT_SET_META_CONTEXT -> onSetMetaContext(data);
                case Nbd.OPT_EXTENDED_HEADERS -> onExtendedHeaders(data);
                default ->
                        error(
                                option,
                                Nbd.REP_ERR_UNSUP,
                                "unknown option " + Integer.toUnsignedString(option));
            }
        } catch (final MalformedMessageException invalid) {
            if (option == Nbd.OPT_EXPORT_NAME) {
                close("client sent an export name that is no string: " + invalid.getMessage());
            } else {
                error(option, Nbd.REP_ERR_INVALID, invalid.getMessage());
            }
        }
    }

    private void onOptionInShutdown(final int option) {
        if (option == Nbd.OPT_EXPORT_NAME) {
            close("server is shutting down");
        } else {
            error(option, Nbd.REP_ERR_SHUTDOWN, "server is shutting down");
        }
    }

    private void onExportName(final MessageReader data) throws MalformedMessageException {
        final String name = data.string(data.remaining());
        if (replyStyle == ReplyStyle.EXTENDED) {
            close("client used EXPORT_NAME after EXTENDED_HEADERS");
            return;
        }
        switch (catalog.enter(name)) {
            case ExportCatalog.Choice.Later() -> waiting = true;
            case ExportCatalog.Choice.Refused refused -> close(refused.reason());
            case ExportCatalog.Choice.Accepted(Export export) -> {
                settle(export);
                output.putLong(export.size());
                output.putShort(negotiated.transmissionFlags());
                if (!noZeroes) {
                    output.putZeroes(Nbd.EXPORT_NAME_PADDING);
                }
            }
        }
    }

    private void onAbort() {
        ack(Nbd.OPT_ABORT);
        close("");
    }

    private void onList(final MessageReader data) throws MalformedMessageException {
        data.requireEnd();
        for (final Export export : catalog.list()) {
            final byte[] name = utf8(export.name());
            final byte[] description = utf8(export.description());
            replyHeader(
                    Nbd.OPT_LIST, Nbd.REP_SERVER, Integer.BYTES + name.length + description.length);
            output.putInt(name.length);
            output.putBytes(name);
            output.putBytes(description);
        }
        ack(Nbd.OPT_LIST);
    }

    /**
     * TLS is not offered yet. Where it is, this answers ACK, forgets all that was negotiated so
     * far, and the driver goes on over a connection that encrypts.
     */
    private void onStartTls(final MessageReader data) throws MalformedMessageException {
        data.requireEnd();
        error(Nbd.OPT_STARTTLS, Nbd.REP_ERR_UNSUP, "this server does not offer TLS");
    }

    private void onInfoOrGo(final int option, final MessageReader data)
            throws MalformedMessageException {
        final String name = data.lengthAndString();
        final int count = data.unsignedShort();
        boolean wantsName = false;
        boolean wantsDescription = false;
        boolean wantsBlockSize = false;
        for (int i = 0; i < count; i++) {
            switch (data.unsignedShort()) {
                case Nbd.INFO_NAME -> wantsName = true;
                case Nbd.INFO_DESCRIPTION -> wantsDescription = true;
                case Nbd.INFO_BLOCK_SIZE -> wantsBlockSize = true;
                default -> {}
            }
        }
        data.requireEnd();
        switch (option == Nbd.OPT_GO ? catalog.enter(name) : catalog.find(name)) {
            case ExportCatalog.Choice.Later() -> waiting = true;
            case ExportCatalog.Choice.Refused(int reply, String reason) ->
                    error(option, reply, reason);
            case ExportCatalog.Choice.Accepted(Export export) -> {
                infoExport(option, export);
                if (wantsName) {
                    infoString(option, Nbd.INFO_NAME, export.name());
                }
                if (wantsDescription && !export.description().isEmpty()) {
                    infoString(option, Nbd.INFO_DESCRIPTION, export.description());
                }
                if (wantsBlockSize || export.blockSizeMin() > 1) {
                    infoBlockSize(option, export);
                }
                ack(option);
                if (option == Nbd.OPT_GO) {
                    settle(export);
                }
            }
        }
    }

    private void onStructuredReply(final MessageReader data) throws MalformedMessageException {
        data.requireEnd();
        if (replyStyle == ReplyStyle.EXTENDED) {
            error(
                    Nbd.OPT_STRUCTURED_REPLY,
                    Nbd.REP_ERR_EXT_HEADER_REQD,
                    "extended headers are in use");
            return;
        }
        replyStyle = ReplyStyle.STRUCTURED;
        ack(Nbd.OPT_STRUCTURED_REPLY);
    }

    private void onExtendedHeaders(final MessageReader data) throws MalformedMessageException {
        data.requireEnd();
        replyStyle = ReplyStyle.EXTENDED;
        ack(Nbd.OPT_EXTENDED_HEADERS);
    }

    private void onListMetaContext(final MessageReader data) throws MalformedMessageException {
        final String name = data.lengthAndString();
        final List<String> queries = queries(data);
        switch (catalog.find(name)) {
            case ExportCatalog.Choice.Later() -> waiting = true;
            case ExportCatalog.Choice.Refused(int reply, String reason) ->
                    error(Nbd.OPT_LIST_META_CONTEXT, reply, reason);
            case ExportCatalog.Choice.Accepted(Export export) -> {
                for (final String context : export.metaContexts()) {
                    if (queries.isEmpty()
                            || queries.stream().anyMatch(query -> lists(query, context))) {
                        metaContext(Nbd.OPT_LIST_META_CONTEXT, 0, context);
                    }
                }
                ack(Nbd.OPT_LIST_META_CONTEXT);
            }
        }
    }

    private void onSetMetaContext(final MessageReader data) throws MalformedMessageException {
        contexts = List.of(); // whatever comes of this option, it replaces the selection before it
        final String name = data.lengthAndString();
        final List<String> queries = queries(data);
        if (replyStyle == ReplyStyle.SIMPLE) {
            throw new MalformedMessageException(
                    "metadata contexts need structured replies, negotiate them first");
        }
        switch (catalog.find(name)) {
            case ExportCatalog.Choice.Later() -> waiting = true;
            case ExportCatalog.Choice.Refused(int reply, String reason) ->
                    error(Nbd.OPT_SET_META_CONTEXT, reply, reason);
            case ExportCatalog.Choice.Accepted(Export export) -> {
                contextsExport = export.name();
                contexts = export.metaContexts().stream().filter(queries::contains).toList();
                for (int id = 0; id < contexts.size(); id++) {
                    metaContext(Nbd.OPT_SET_META_CONTEXT, id, contexts.get(id));
                }
                ack(Nbd.OPT_SET_META_CONTEXT);
            }
        }
    }

    /** A query lists the context of its name, and with an empty leaf name all of its namespace. */
    private static boolean lists(final String query, final String context) {
        return context.equals(query) || (query.endsWith(":") && context.startsWith(query));
    }

    private static List<String> queries(final MessageReader data) throws MalformedMessageException {
        final int count = data.integer();
        final List<String> queries = new ArrayList<>();
        for (int i = 0; Integer.compareUnsigned(i, count) < 0; i++) {
            final String query = data.lengthAndString();
            if (query.indexOf(':') < 1) {
                throw new MalformedMessageException("metadata context query without a namespace");
            }
            queries.add(query);
        }
        data.requireEnd();
        return queries;
    }

    private void settle(final Export export) {
        final List<String> selected = selectedFor(export);
        negotiated = new Negotiated(export, replyStyle, selected, transmissionFlags(export));
        state = State.TRANSMISSION;
    }

    /** A selection counts for the export for which it was made, and for no other. */
    private List<String> selectedFor(final Export export) {
        return contextsExport.equals(export.name()) ? contexts : List.of();
    }

    private int transmissionFlags(final Export export) {
        int flags = export.transmissionFlags();
        if (replyStyle != ReplyStyle.SIMPLE) {
            flags |= Nbd.FLAG_SEND_DF;
        }
        if (replyStyle == ReplyStyle.EXTENDED && !selectedFor(export).isEmpty()) {
            flags |= Nbd.FLAG_BLOCK_STATUS_PAYLOAD;
        }
        return flags;
    }

    private void infoExport(final int option, final Export export) {
        replyHeader(option, Nbd.REP_INFO, 12);
        output.putShort(Nbd.INFO_EXPORT);
        output.putLong(export.size());
        output.putShort(transmissionFlags(export));
    }

    private void infoString(final int option, final int type, final String value) {
        final byte[] bytes = utf8(value);
        replyHeader(option, Nbd.REP_INFO, Short.BYTES + bytes.length);
        output.putShort(type);
        output.putBytes(bytes);
    }

    private void infoBlockSize(final int option, final Export export) {
        replyHeader(option, Nbd.REP_INFO, 14);
        output.putShort(Nbd.INFO_BLOCK_SIZE);
        output.putInt(export.blockSizeMin());
        output.putInt(export.blockSizePreferred());
        output.putInt(export.payloadLengthMax());
    }

    private void metaContext(final int option, final int id, final String name) {
        final byte[] bytes = utf8(name);
        replyHeader(option, Nbd.REP_META_CONTEXT, Integer.BYTES + bytes.length);
        output.putInt(id);
        output.putBytes(bytes);
    }

    private void ack(final int option) {
        replyHeader(option, Nbd.REP_ACK, 0);
    }

    private void error(final int option, final int reply, final String message) {
        final byte[] bytes = utf8(message);
        final int length = lengthOfWholeCharacters(bytes, Nbd.STRING_LENGTH_MAX);
        replyHeader(option, reply, length);
        output.putBytes(length == bytes.length ? bytes : Arrays.copyOf(bytes, length));
    }

    /** How many of at most {@code max} bytes of UTF-8 end with a whole character. */
    private static int lengthOfWholeCharacters(final byte[] bytes, final int max) {
        int length = Math.min(bytes.length, max);
        while (length < bytes.length && (bytes[length] & 0xc0) == 0x80) {
            length--;
        }
        return length;
    }

    private void replyHeader(final int option, final int reply, final int length) {
        output.putLong(Nbd.REP_MAGIC);
        output.putInt(option);
        output.putInt(reply);
        output.putInt(length);
    }

    private void close(final String reason) {
        state = State.CLOSING;
        closeReason = reason;
    }

    private static byte[] utf8(final String string) {
        return string.getBytes(StandardCharsets.UTF_8);
    }
}
