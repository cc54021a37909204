package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** {@link ServerHandshake}, option by option, as a client sees it on the wire. */
final class ServerHandshakeTest {
    private static final int BOTH_FLAGS = Nbd.FLAG_C_FIXED_NEWSTYLE | Nbd.FLAG_C_NO_ZEROES;

    private final SampleCatalog catalog = new SampleCatalog();
    private final ServerHandshake server = new ServerHandshake(catalog);

    /** One reply to an option, taken apart. */
    private record Reply(int option, int type, MemorySegment memory) {
        String text() {
            return new String(memory.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
        }

        @Override
        public String toString() {
            return option + ":" + Integer.toHexString(type) + ":" + text();
        }
    }

    private byte[] greeting = {};

    @BeforeEach
    void takeGreeting() {
        greeting = output();
    }

    private byte[] output() {
        final byte[] bytes = new byte[server.output().length()];
        server.output().take(MemorySegment.ofArray(bytes), 0, bytes.length);
        return bytes;
    }

    private byte[] send(final Message message) {
        final MemorySegment memory = message.toSegment();
        long position = 0;
        long taken = server.receive(memory, 0, memory.byteSize());
        while (taken > position) {
            position = taken;
            taken = server.receive(memory, position, memory.byteSize());
        }
        return output();
    }

    private void sendFlags(final int flags) {
        send(Message.of().u32(flags));
    }

    private static List<Reply> replies(final byte[] bytes) {
        final List<Reply> replies = new ArrayList<>();
        final MemorySegment memory = MemorySegment.ofArray(bytes);
        int at = 0;
        while (at < bytes.length) {
            assertEquals(Nbd.REP_MAGIC, Wire.getLong(memory, at));
            final int length = Wire.getInt(memory, at + 16);
            replies.add(
                    new Reply(
                            Wire.getInt(memory, at + 8),
                            Wire.getInt(memory, at + 12),
                            memory.asSlice(at + 20, length)));
            at += 20 + length;
        }
        return replies;
    }

    private List<Reply> ask(final int option, final Message data) {
        return replies(send(Message.option(option, data)));
    }

    private void assertRefused(
            final int error, final String text, final int option, final Message data) {
        final List<Reply> replies = ask(option, data);
        assertEquals(1, replies.size(), replies::toString);
        assertEquals(option, replies.getFirst().option());
        assertEquals(error, replies.getFirst().type(), replies::toString);
        assertTrue(replies.getFirst().text().contains(text), replies.getFirst().text());
        assertEquals(ServerHandshake.State.NEGOTIATING, server.state());
    }

    private void assertInvalid(final String text, final int option, final Message data) {
        assertRefused(Nbd.REP_ERR_INVALID, text, option, data);
    }

    private void acknowledged(final int option) {
        final List<Reply> replies = ask(option, Message.of());
        assertEquals(Nbd.REP_ACK, replies.getLast().type(), replies::toString);
    }

    private static Message infoRequest(final String name, final int... types) {
        final Message message = Message.of().string(name).u16(types.length);
        for (final int type : types) {
            message.u16(type);
        }
        return message;
    }

    private static Message contextRequest(final String export, final String... queries) {
        final Message message = Message.of().string(export).u32(queries.length);
        for (final String query : queries) {
            message.string(query);
        }
        return message;
    }

    private void assertClosed(final String reason) {
        assertEquals(ServerHandshake.State.CLOSING, server.state());
        assertTrue(server.closeReason().contains(reason), server.closeReason());
    }

    // ---- Greeting and flags.

    @Test
    void greets_with_fixed_newstyle_and_no_zeroes() {
        assertEquals(
                HexFormat.of()
                        .formatHex(
                                Message.of()
                                        .u64(Nbd.INIT_PASSWD)
                                        .u64(Nbd.OPTS_MAGIC)
                                        .u16(3)
                                        .toBytes()),
                HexFormat.of().formatHex(greeting));
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 1 << 31, -1})
    void unknown_client_flags_end_the_session(final int flags) {
        sendFlags(flags);

        assertClosed("unknown flags");
    }

    @Test
    void an_option_before_the_flags_is_taken_for_flags_and_refused() {
        final byte[] answer = send(Message.option(Nbd.OPT_LIST));

        assertEquals(0, answer.length);
        assertClosed("unknown flags 0x49484156");
    }

    @Test
    void what_is_no_option_ends_the_session() {
        sendFlags(BOTH_FLAGS);

        send(Message.of().text("GET / HTTP/1.1\r\n\r\n"));

        assertClosed("no option where one was due");
    }

    @Test
    void nothing_is_taken_before_it_is_complete() {
        sendFlags(BOTH_FLAGS);
        final byte[] whole = Message.option(Nbd.OPT_GO, infoRequest("disk")).toBytes();

        for (int length = 0; length < whole.length; length++) {
            final MemorySegment memory = MemorySegment.ofArray(Arrays.copyOf(whole, length));
            assertEquals(0, server.receive(memory, 0, length));
        }
        assertTrue(server.output().isEmpty());
    }

    @Test
    void after_the_end_nothing_is_taken() {
        sendFlags(BOTH_FLAGS);
        send(Message.option(Nbd.OPT_ABORT));

        assertEquals(0, server.receive(Message.option(Nbd.OPT_LIST).toSegment(), 0, 16));
    }

    // ---- Options of every kind.

    @ParameterizedTest
    @ValueSource(ints = {0, Nbd.OPT_PEEK_EXPORT, 12, 0x7fff_ffff, -1})
    void unknown_options_are_skipped_with_their_data(final int option) {
        sendFlags(BOTH_FLAGS);

        assertRefused(
                Nbd.REP_ERR_UNSUP, "unknown option", option, Message.of().text("whatever it is"));

        acknowledged(Nbd.OPT_LIST);
    }

    @Test
    void oversized_option_data_is_skipped_without_being_held() {
        sendFlags(BOTH_FLAGS);
        final int length = ServerHandshake.OPTION_LENGTH_MAX + 1;
        final List<Reply> replies =
                replies(send(Message.of().u64(Nbd.OPTS_MAGIC).u32(Nbd.OPT_GO).u32(length)));
        assertEquals(Nbd.REP_ERR_TOO_BIG, replies.getFirst().type());

        send(Message.of().zeroes(length - 10));
        final byte[] answer =
                send(Message.of().zeroes(10).then(Message.option(Nbd.OPT_STRUCTURED_REPLY)));

        assertEquals(Nbd.REP_ACK, replies(answer).getFirst().type());
    }

    @Test
    void an_option_of_4_gib_is_skipped_as_it_comes() {
        sendFlags(BOTH_FLAGS);

        final byte[] answer = send(Message.of().u64(Nbd.OPTS_MAGIC).u32(77).u32(0xffff_ffffL));

        assertEquals(Nbd.REP_ERR_TOO_BIG, replies(answer).getFirst().type());
        final MemorySegment much = MemorySegment.ofArray(new byte[1 << 20]);
        assertEquals(much.byteSize(), server.receive(much, 0, much.byteSize()));
    }

    @ParameterizedTest
    @ValueSource(
            ints = {
                Nbd.OPT_LIST,
                Nbd.OPT_STARTTLS,
                Nbd.OPT_STRUCTURED_REPLY,
                Nbd.OPT_EXTENDED_HEADERS
            })
    void options_without_data_refuse_some(final int option) {
        sendFlags(BOTH_FLAGS);

        assertInvalid("data is 1 bytes too long", option, Message.of().zeroes(1));
    }

    @Test
    void tls_is_declined() {
        sendFlags(BOTH_FLAGS);

        assertRefused(Nbd.REP_ERR_UNSUP, "TLS", Nbd.OPT_STARTTLS, Message.of());
    }

    @Test
    void an_abort_is_acknowledged_whatever_it_carries() {
        sendFlags(BOTH_FLAGS);

        final List<Reply> replies = ask(Nbd.OPT_ABORT, Message.of().text("bye"));

        assertEquals(Nbd.REP_ACK, replies.getFirst().type());
        assertClosed("");
    }

    @Test
    void the_list_tells_names_and_descriptions() {
        sendFlags(BOTH_FLAGS);

        final List<Reply> replies = ask(Nbd.OPT_LIST, Message.of());

        assertEquals(3, replies.size());
        assertEquals(Nbd.REP_SERVER, replies.get(0).type());
        assertEquals(4, Wire.getInt(replies.get(0).memory(), 0));
        assertTrue(replies.get(0).text().endsWith("diskthe first disk"));
        assertEquals(Nbd.REP_ACK, replies.get(2).type());
    }

    @Test
    void an_error_text_is_cut_at_the_limit_of_strings() {
        sendFlags(BOTH_FLAGS);
        catalog.refusal = "\u00e4".repeat(4000);

        final List<Reply> replies = ask(Nbd.OPT_GO, infoRequest("disk"));

        assertEquals(Nbd.STRING_LENGTH_MAX, replies.getFirst().memory().byteSize());
        assertEquals("\u00e4".repeat(2048), replies.getFirst().text());
    }

    // ---- EXPORT_NAME.

    @Test
    void export_name_answers_with_zeroes_unless_they_were_declined() {
        sendFlags(Nbd.FLAG_C_FIXED_NEWSTYLE);

        final byte[] answer = send(Message.option(Nbd.OPT_EXPORT_NAME, Message.of().text("disk")));

        assertEquals(10 + 124, answer.length);
        assertEquals(1 << 20, Wire.getLong(MemorySegment.ofArray(answer), 0));
        assertEquals(
                SampleCatalog.DISK.transmissionFlags(),
                Wire.getUnsignedShort(MemorySegment.ofArray(answer), 8));
        assertEquals(ServerHandshake.State.TRANSMISSION, server.state());
        assertEquals(SampleCatalog.DISK, server.negotiated().export());
        assertEquals(List.of("disk"), catalog.entered);
    }

    @Test
    void export_name_answers_without_zeroes_where_they_were_declined() {
        sendFlags(BOTH_FLAGS);

        final byte[] answer = send(Message.option(Nbd.OPT_EXPORT_NAME, Message.of()));

        assertEquals(10, answer.length);
        assertEquals(SampleCatalog.DISK, server.negotiated().export(), "the default export");
    }

    @Test
    void an_unknown_export_name_ends_the_session() {
        sendFlags(BOTH_FLAGS);

        assertEquals(0, send(Message.option(Nbd.OPT_EXPORT_NAME, Message.of().text("x"))).length);
        assertClosed("no export x");
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.STRING_LENGTH_MAX + 1, ServerHandshake.OPTION_LENGTH_MAX + 1})
    void an_oversized_export_name_ends_the_session(final int length) {
        sendFlags(BOTH_FLAGS);

        assertEquals(
                0, send(Message.option(Nbd.OPT_EXPORT_NAME, Message.of().zeroes(length))).length);
        assertClosed("export name");
    }

    @Test
    void an_export_name_that_is_no_string_ends_the_session() {
        sendFlags(BOTH_FLAGS);

        send(Message.option(Nbd.OPT_EXPORT_NAME, Message.of().raw((byte) 0xff)));

        assertClosed("not UTF-8");
    }

    @Test
    void export_name_after_extended_headers_ends_the_session() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_EXTENDED_HEADERS);

        send(Message.option(Nbd.OPT_EXPORT_NAME, Message.of().text("disk")));

        assertClosed("EXPORT_NAME after EXTENDED_HEADERS");
    }

    // ---- INFO and GO.

    @Test
    void info_tells_what_was_asked_for_and_stays_in_the_handshake() {
        sendFlags(BOTH_FLAGS);

        final List<Reply> replies =
                ask(
                        Nbd.OPT_INFO,
                        infoRequest(
                                "", Nbd.INFO_NAME, Nbd.INFO_DESCRIPTION, Nbd.INFO_BLOCK_SIZE, 99));

        assertEquals(
                List.of(Nbd.REP_INFO, Nbd.REP_INFO, Nbd.REP_INFO, Nbd.REP_INFO, Nbd.REP_ACK),
                replies.stream().map(Reply::type).toList());
        assertEquals(Nbd.INFO_EXPORT, Wire.getUnsignedShort(replies.get(0).memory(), 0));
        assertEquals(1 << 20, Wire.getLong(replies.get(0).memory(), 2));
        assertTrue(replies.get(1).text().endsWith("disk"));
        assertTrue(replies.get(2).text().endsWith("the first disk"));
        assertEquals(1, Wire.getInt(replies.get(3).memory(), 2));
        assertEquals(4096, Wire.getInt(replies.get(3).memory(), 6));
        assertEquals(1 << 16, Wire.getInt(replies.get(3).memory(), 10));
        assertEquals(ServerHandshake.State.NEGOTIATING, server.state());
        assertEquals(List.of(), catalog.entered);
    }

    @Test
    void go_without_requests_tells_size_and_flags_and_enters_transmission() {
        sendFlags(BOTH_FLAGS);

        final List<Reply> replies = ask(Nbd.OPT_GO, infoRequest("disk"));

        assertEquals(2, replies.size());
        assertEquals(ServerHandshake.State.TRANSMISSION, server.state());
        assertEquals(ReplyStyle.SIMPLE, server.negotiated().replyStyle());
        assertEquals(List.of("disk"), catalog.entered);
    }

    @Test
    void block_sizes_that_bind_are_told_even_unasked() {
        sendFlags(BOTH_FLAGS);

        final List<Reply> replies = ask(Nbd.OPT_GO, infoRequest(SampleCatalog.SECOND.name()));

        assertEquals(3, replies.size());
        assertEquals(Nbd.INFO_BLOCK_SIZE, Wire.getUnsignedShort(replies.get(1).memory(), 0));
    }

    @Test
    void an_unknown_export_is_refused_and_another_may_be_asked_for() {
        sendFlags(BOTH_FLAGS);

        assertRefused(Nbd.REP_ERR_UNKNOWN, "no export x", Nbd.OPT_GO, infoRequest("x"));
        assertRefused(Nbd.REP_ERR_UNKNOWN, "no export x", Nbd.OPT_INFO, infoRequest("x"));

        ask(Nbd.OPT_GO, infoRequest("disk"));
        assertEquals(ServerHandshake.State.TRANSMISSION, server.state());
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.OPT_INFO, Nbd.OPT_GO})
    void information_requests_of_a_wrong_form_are_invalid(final int option) {
        sendFlags(BOTH_FLAGS);

        assertInvalid("ends too early", option, Message.of());
        assertInvalid("ends too early", option, Message.of().zeroes(3));
        assertInvalid("ends too early", option, Message.of().string("disk"));
        assertInvalid("ends too early", option, Message.of().u32(4).text("dis"));
        assertInvalid("ends too early", option, Message.of().string("disk").u16(2).u16(1));
        assertInvalid("too long", option, infoRequest("disk", Nbd.INFO_NAME).zeroes(1));
        assertInvalid("longer than 4096", option, Message.of().u32(-1).u16(0));
        assertInvalid("longer than 4096", option, infoRequest("x".repeat(4097)));
        assertInvalid("not UTF-8", option, Message.of().u32(1).raw((byte) 0xc0).u16(0));
        assertInvalid("NUL", option, infoRequest("di\0sk"));
    }

    @Test
    void the_longest_name_is_looked_for() {
        sendFlags(BOTH_FLAGS);

        assertRefused(Nbd.REP_ERR_UNKNOWN, "no export", Nbd.OPT_GO, infoRequest("x".repeat(4096)));
    }

    // ---- Reply styles.

    @Test
    void structured_replies_come_with_the_flag_against_fragments() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_STRUCTURED_REPLY);

        ask(Nbd.OPT_GO, infoRequest("disk"));

        assertEquals(ReplyStyle.STRUCTURED, server.negotiated().replyStyle());
        assertTrue(server.negotiated().has(Nbd.FLAG_SEND_DF));
        assertFalse(server.negotiated().has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD));
    }

    @Test
    void extended_headers_win_over_structured_replies_in_either_order() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_STRUCTURED_REPLY);
        acknowledged(Nbd.OPT_EXTENDED_HEADERS);

        assertRefused(
                Nbd.REP_ERR_EXT_HEADER_REQD,
                "extended headers are in use",
                Nbd.OPT_STRUCTURED_REPLY,
                Message.of());

        ask(Nbd.OPT_GO, infoRequest("disk"));
        assertEquals(ReplyStyle.EXTENDED, server.negotiated().replyStyle());
    }

    // ---- Metadata contexts.

    private static List<String> contextNames(final List<Reply> replies) {
        assertEquals(Nbd.REP_ACK, replies.getLast().type(), replies::toString);
        return replies.subList(0, replies.size() - 1).stream()
                .map(
                        reply -> {
                            assertEquals(Nbd.REP_META_CONTEXT, reply.type());
                            return Wire.getInt(reply.memory(), 0) + "=" + reply.text().substring(4);
                        })
                .toList();
    }

    @Test
    void contexts_are_listed_by_query_and_wildcard() {
        sendFlags(BOTH_FLAGS);
        final int option = Nbd.OPT_LIST_META_CONTEXT;

        assertEquals(
                List.of("0=base:allocation", "0=x-lockstep:epoch"),
                contextNames(ask(option, contextRequest("disk"))));
        assertEquals(
                List.of("0=base:allocation"),
                contextNames(ask(option, contextRequest("disk", "base:"))));
        assertEquals(
                List.of("0=x-lockstep:epoch"),
                contextNames(ask(option, contextRequest("disk", "x-lockstep:epoch", "qemu:"))));
        assertEquals(List.of(), contextNames(ask(option, contextRequest("disk", "base:alloc"))));
        assertEquals(
                List.of(), contextNames(ask(option, contextRequest(SampleCatalog.SECOND.name()))));
        assertRefused(Nbd.REP_ERR_UNKNOWN, "no export x", option, contextRequest("x"));
    }

    @Test
    void contexts_are_selected_with_numbers() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_STRUCTURED_REPLY);

        assertEquals(
                List.of("0=base:allocation", "1=x-lockstep:epoch"),
                contextNames(
                        ask(
                                Nbd.OPT_SET_META_CONTEXT,
                                contextRequest(
                                        "disk",
                                        "x-lockstep:epoch",
                                        "base:allocation",
                                        "base:allocation"))));
        ask(Nbd.OPT_GO, infoRequest("disk"));
        assertEquals(
                List.of("base:allocation", "x-lockstep:epoch"), server.negotiated().metaContexts());
    }

    @Test
    void a_selection_takes_no_wildcard_and_may_be_empty() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_STRUCTURED_REPLY);

        assertEquals(
                List.of(),
                contextNames(ask(Nbd.OPT_SET_META_CONTEXT, contextRequest("disk", "base:"))));
        assertEquals(
                List.of(), contextNames(ask(Nbd.OPT_SET_META_CONTEXT, contextRequest("disk"))));
    }

    @Test
    void a_selection_needs_structured_replies() {
        sendFlags(BOTH_FLAGS);

        assertInvalid(
                "need structured replies",
                Nbd.OPT_SET_META_CONTEXT,
                contextRequest("disk", "base:allocation"));
    }

    @Test
    void a_failed_selection_drops_the_one_before() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_EXTENDED_HEADERS);
        ask(Nbd.OPT_SET_META_CONTEXT, contextRequest("disk", "base:allocation"));
        assertInvalid("namespace", Nbd.OPT_SET_META_CONTEXT, contextRequest("disk", "allocation"));

        ask(Nbd.OPT_GO, infoRequest("disk"));

        assertEquals(List.of(), server.negotiated().metaContexts());
        assertFalse(server.negotiated().has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD));
    }

    @Test
    void a_selection_counts_for_its_own_export_only() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_EXTENDED_HEADERS);
        ask(Nbd.OPT_SET_META_CONTEXT, contextRequest("disk", "base:allocation"));

        ask(Nbd.OPT_GO, infoRequest(SampleCatalog.SECOND.name()));

        assertEquals(List.of(), server.negotiated().metaContexts());
        assertFalse(
                server.negotiated().has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD),
                "nothing to choose from by a payload");
    }

    @Test
    void a_selection_for_the_default_export_counts_for_it_by_name() {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_EXTENDED_HEADERS);
        ask(Nbd.OPT_SET_META_CONTEXT, contextRequest("", "base:allocation"));

        ask(Nbd.OPT_GO, infoRequest("disk"));

        assertEquals(List.of("base:allocation"), server.negotiated().metaContexts());
        assertTrue(server.negotiated().has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD));
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT})
    void context_requests_of_a_wrong_form_are_invalid(final int option) {
        sendFlags(BOTH_FLAGS);
        acknowledged(Nbd.OPT_STRUCTURED_REPLY);

        assertInvalid("ends too early", option, Message.of());
        assertInvalid("ends too early", option, Message.of().string("disk"));
        assertInvalid("ends too early", option, Message.of().string("disk").u32(1));
        assertInvalid("ends too early", option, Message.of().string("disk").u32(-1));
        assertInvalid(
                "ends too early", option, Message.of().string("disk").u32(1).u32(9).text("base:"));
        assertInvalid("too long", option, contextRequest("disk", "base:").zeroes(2));
        assertInvalid("namespace", option, contextRequest("disk", ":leaf"));
        assertInvalid("namespace", option, contextRequest("disk", ""));
        assertInvalid("NUL", option, contextRequest("disk", "base:a\0"));
        assertInvalid("longer than", option, contextRequest("disk", "b:" + "x".repeat(4096)));
        assertInvalid(
                "not UTF-8", option, Message.of().string("disk").u32(1).u32(1).raw((byte) 0x80));
    }

    // ---- Shutting down.

    @Test
    void in_a_shutdown_only_leaving_is_allowed() {
        sendFlags(BOTH_FLAGS);
        server.shutDown();

        assertRefused(Nbd.REP_ERR_SHUTDOWN, "shutting down", Nbd.OPT_GO, infoRequest("disk"));
        assertRefused(Nbd.REP_ERR_SHUTDOWN, "shutting down", 77, Message.of());
        acknowledged(Nbd.OPT_ABORT);
        assertClosed("");
    }

    @Test
    void in_a_shutdown_export_name_ends_the_session() {
        sendFlags(BOTH_FLAGS);
        server.shutDown();

        send(Message.option(Nbd.OPT_EXPORT_NAME, Message.of().text("disk")));

        assertClosed("shutting down");
    }
}
