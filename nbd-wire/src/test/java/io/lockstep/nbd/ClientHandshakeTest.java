package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** {@link ClientHandshake} against servers that are old, odd or hostile. */
final class ClientHandshakeTest {
    private static final Message FIXED = greeting(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES);

    private ClientHandshake client =
            new ClientHandshake(ClientOptions.use("disk").withReplyStyle(ReplyStyle.SIMPLE));

    private static Message greeting(final int flags) {
        return Message.of().u64(Nbd.INIT_PASSWD).u64(Nbd.OPTS_MAGIC).u16(flags);
    }

    private static Message exportInformation(final long size, final int flags) {
        return Message.of().u16(Nbd.INFO_EXPORT).u64(size).u16(flags);
    }

    private static Message blockSizes(final long min, final long preferred, final long max) {
        return Message.of().u16(Nbd.INFO_BLOCK_SIZE).u32(min).u32(preferred).u32(max);
    }

    private static Message unsupported(final int option) {
        return Message.optionReply(option, Nbd.REP_ERR_UNSUP);
    }

    /** Hands over a message as a whole; answers what the client sends thereupon. */
    private byte[] receive(final Message message) {
        final MemorySegment memory = message.toSegment();
        long position = 0;
        long taken = client.receive(memory, 0, memory.byteSize());
        while (taken > position) {
            position = taken;
            taken = client.receive(memory, position, memory.byteSize());
        }
        return sent();
    }

    private byte[] sent() {
        final byte[] bytes = new byte[client.output().length()];
        client.output().take(MemorySegment.ofArray(bytes), 0, bytes.length);
        return bytes;
    }

    private void start(final ClientOptions options) {
        client = new ClientHandshake(options);
        receive(FIXED);
    }

    private void startGo() {
        start(ClientOptions.use("disk").withReplyStyle(ReplyStyle.SIMPLE));
    }

    private void assertFails(final String failure) {
        assertEquals(ClientHandshake.State.FAILED, client.state());
        assertTrue(client.failure().contains(failure), client.failure());
    }

    private static Message abort() {
        return Message.option(Nbd.OPT_ABORT);
    }

    // ---- Greeting.

    @Test
    void an_oldstyle_server_is_refused_by_name() {
        receive(
                Message.of()
                        .u64(Nbd.INIT_PASSWD)
                        .u64(Nbd.CLISERV_MAGIC)
                        .u64(1 << 20)
                        .u32(0)
                        .zeroes(124));

        assertFails("oldstyle");
    }

    @Test
    void what_is_no_nbd_server_is_refused() {
        receive(Message.of().text("SSH-2.0-OpenSSH_9.6\r\n"));

        assertFails("server sent no NBD greeting");
        assertEquals(0, sent().length);
    }

    @Test
    void an_unknown_handshake_is_refused() {
        receive(Message.of().u64(Nbd.INIT_PASSWD).u64(0xdeadbeefL).u16(1));

        assertFails("unknown handshake 0xdeadbeef");
    }

    @Test
    void a_greeting_that_is_not_complete_is_waited_for() {
        final byte[] whole = FIXED.toBytes();
        for (int length = 0; length < whole.length; length++) {
            final MemorySegment memory = MemorySegment.ofArray(Arrays.copyOf(whole, length));
            assertEquals(0, client.receive(memory, 0, length));
        }
        assertEquals(ClientHandshake.State.NEGOTIATING, client.state());
    }

    @Test
    void flags_are_answered_as_far_as_they_are_known() {
        final byte[] answer = receive(greeting(0xfff0 | Nbd.FLAG_FIXED_NEWSTYLE));

        assertEquals(Nbd.FLAG_C_FIXED_NEWSTYLE, Wire.getInt(MemorySegment.ofArray(answer), 0));
        assertEquals(ClientHandshake.State.NEGOTIATING, client.state());
    }

    @Test
    void a_server_without_fixed_newstyle_is_asked_by_export_name_alone() {
        final byte[] answer = receive(greeting(0));

        assertEquals(
                List.of(
                                Message.of()
                                        .u32(0)
                                        .then(
                                                Message.option(
                                                        Nbd.OPT_EXPORT_NAME,
                                                        Message.of().text("disk")))
                                        .toBytes())
                        .stream()
                        .map(Arrays::toString)
                        .toList(),
                List.of(Arrays.toString(answer)));
        receive(Message.of().u64(4096).u16(Nbd.FLAG_HAS_FLAGS).zeroes(124));
        assertEquals(ClientHandshake.State.TRANSMISSION, client.state());
        assertEquals(4096, client.negotiated().export().size());
        assertEquals(1, client.negotiated().export().blockSizeMin());
        assertEquals(4096, client.negotiated().export().blockSizePreferred());
        assertEquals(32 << 20, client.negotiated().export().payloadLengthMax());
    }

    @Test
    void a_server_without_fixed_newstyle_cannot_list() {
        client = new ClientHandshake(ClientOptions.list());

        receive(greeting(Nbd.FLAG_NO_ZEROES));

        assertFails("too old to tell of its exports");
    }

    // ---- Falling back.

    @Test
    void extended_falls_back_to_structured_and_that_to_simple() {
        client = new ClientHandshake(ClientOptions.use("disk").withMetaContexts("base:allocation"));
        receive(FIXED);

        assertEquals(
                Nbd.OPT_STRUCTURED_REPLY, optionOf(receive(unsupported(Nbd.OPT_EXTENDED_HEADERS))));
        assertEquals(
                Nbd.OPT_GO,
                optionOf(
                        receive(
                                Message.optionReply(
                                        Nbd.OPT_STRUCTURED_REPLY,
                                        Nbd.REP_ERR_POLICY,
                                        Message.of().text("not today")))));
        receive(
                Message.optionReply(
                                Nbd.OPT_GO,
                                Nbd.REP_INFO,
                                exportInformation(8192, Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_SEND_DF))
                        .then(Message.optionReply(Nbd.OPT_GO, Nbd.REP_ACK)));

        assertEquals(ClientHandshake.State.TRANSMISSION, client.state());
        assertEquals(ReplyStyle.SIMPLE, client.negotiated().replyStyle());
        assertFalse(client.negotiated().has(Nbd.FLAG_SEND_DF), "has no meaning in simple style");
        assertEquals(0xffff_0000L, client.negotiated().effectLengthMax());
    }

    private static int optionOf(final byte[] message) {
        return Wire.getInt(MemorySegment.ofArray(message), 8);
    }

    @Test
    void go_falls_back_to_export_name_without_padding_where_that_was_agreed_on() {
        startGo();

        assertEquals(Nbd.OPT_EXPORT_NAME, optionOf(receive(unsupported(Nbd.OPT_GO))));
        receive(Message.of().u64(512).u16(Nbd.FLAG_HAS_FLAGS));

        assertEquals(ClientHandshake.State.TRANSMISSION, client.state());
        assertEquals("disk", client.negotiated().export().name());
    }

    @Test
    void go_does_not_fall_back_after_extended_headers() {
        start(ClientOptions.use("disk"));
        receive(Message.optionReply(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK));

        assertEquals(Nbd.OPT_ABORT, optionOf(receive(unsupported(Nbd.OPT_GO))));

        assertFails("ERR_UNSUP");
    }

    @Test
    void a_server_that_refuses_by_export_name_can_only_hang_up() {
        startGo();
        receive(unsupported(Nbd.OPT_GO));

        client.end();

        assertFails("when asked for export \"disk\"; does it have one of that name?");
    }

    @Test
    void contexts_are_done_without_where_the_server_declines() {
        start(ClientOptions.use("disk").withMetaContexts("base:allocation", "x-lockstep:epoch"));
        receive(Message.optionReply(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK));

        final byte[] next =
                receive(
                        Message.optionReply(
                                        Nbd.OPT_SET_META_CONTEXT,
                                        Nbd.REP_META_CONTEXT,
                                        Message.of().u32(7).text("base:allocation"))
                                .then(
                                        Message.optionReply(
                                                Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ERR_TOO_BIG)));

        assertEquals(Nbd.OPT_GO, optionOf(next));
        assertEquals(List.of(), client.negotiated().contexts());
    }

    /** It may come a moment later, and then be taken for one without contexts. */
    @Test
    void an_export_that_is_not_there_when_contexts_are_asked_for_is_not_chosen() {
        start(
                ClientOptions.use("disk")
                        .withReplyStyle(ReplyStyle.STRUCTURED)
                        .withMetaContexts("x-lockstep:epoch"));
        receive(Message.optionReply(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK));

        final byte[] next =
                receive(
                        Message.optionReply(
                                Nbd.OPT_SET_META_CONTEXT,
                                Nbd.REP_ERR_UNKNOWN,
                                Message.of().text("not yet")));

        assertEquals(Arrays.toString(abort().toBytes()), Arrays.toString(next));
        assertFails("server refused export \"disk\": not yet (ERR_UNKNOWN)");
    }

    /** So answer QEMU and nbdkit, and so does nbd-server. */
    @ParameterizedTest
    @ValueSource(ints = {Nbd.REP_ACK, Nbd.REP_ERR_UNSUP})
    void a_server_that_knows_no_such_context_is_used_without_it(final int answer) {
        start(
                ClientOptions.use("disk")
                        .withReplyStyle(ReplyStyle.STRUCTURED)
                        .withMetaContexts("x-lockstep:epoch"));
        receive(Message.optionReply(Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ACK));

        assertEquals(
                Nbd.OPT_GO,
                optionOf(receive(Message.optionReply(Nbd.OPT_SET_META_CONTEXT, answer))));
        assertEquals(List.of(), client.negotiated().contexts());
    }

    @Test
    void context_numbers_are_the_servers_own() {
        start(ClientOptions.use("disk").withMetaContexts("base:allocation"));
        receive(Message.optionReply(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK));
        receive(
                Message.optionReply(
                                Nbd.OPT_SET_META_CONTEXT,
                                Nbd.REP_META_CONTEXT,
                                Message.of().u32(0xffff_fff1L).text("base:allocation"))
                        .then(Message.optionReply(Nbd.OPT_SET_META_CONTEXT, Nbd.REP_ACK)));

        assertEquals(
                List.of(new SelectedContext(-15, "base:allocation")),
                client.negotiated().contexts());
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.REP_ERR_SHUTDOWN, Nbd.REP_ERR_TLS_REQD, Nbd.REP_ERR_EXT_HEADER_REQD})
    void some_errors_end_the_handshake_wherever_they_come(final int error) {
        start(ClientOptions.use("disk").withReplyStyle(ReplyStyle.STRUCTURED));

        final byte[] next = receive(Message.optionReply(Nbd.OPT_STRUCTURED_REPLY, error));

        assertEquals(Arrays.toString(abort().toBytes()), Arrays.toString(next));
        assertFails("server refused STRUCTURED_REPLY");
    }

    @Test
    void an_errors_text_cannot_steer_a_terminal() {
        startGo();

        receive(
                Message.optionReply(
                        Nbd.OPT_GO,
                        Nbd.REP_ERR_POLICY,
                        Message.of().text("go \u001b[31maway").raw((byte) 0xff).text("\n")));

        assertFails("go  [31maway\ufffd (ERR_POLICY)");
    }

    // ---- Replies that break the rules.

    @Test
    void a_wrong_reply_magic_is_refused() {
        startGo();

        receive(Message.of().u64(1).u32(Nbd.OPT_GO).u32(Nbd.REP_ACK).u32(0));

        assertFails("wrong magic number");
        assertEquals(0, sent().length, "nothing more is said to it");
    }

    @Test
    void a_reply_to_another_option_is_refused() {
        startGo();

        receive(Message.optionReply(Nbd.OPT_LIST, Nbd.REP_ACK));

        assertFails("it answers LIST instead");
    }

    @Test
    void a_reply_that_claims_to_be_huge_is_refused_before_it_comes() {
        startGo();

        receive(
                Message.of()
                        .u64(Nbd.REP_MAGIC)
                        .u32(Nbd.OPT_GO)
                        .u32(Nbd.REP_INFO)
                        .u32(0xffff_ffffL));

        assertFails("it has 4294967295 bytes");
    }

    @Test
    void a_truncated_reply_is_waited_for_and_its_end_is_told() {
        startGo();
        final byte[] whole =
                Message.optionReply(Nbd.OPT_GO, Nbd.REP_INFO, exportInformation(1, 1)).toBytes();
        for (int length = 0; length < whole.length; length++) {
            final MemorySegment memory = MemorySegment.ofArray(Arrays.copyOf(whole, length));
            assertEquals(0, client.receive(memory, 0, length));
        }

        client.end();

        assertFails("server closed the connection during GO");
    }

    @Test
    void success_without_size_and_flags_is_refused() {
        startGo();

        receive(Message.optionReply(Nbd.OPT_GO, Nbd.REP_ACK));

        assertFails("size and flags are missing");
    }

    @Test
    void an_acknowledgement_with_data_is_refused() {
        start(ClientOptions.use("disk"));

        receive(Message.optionReply(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK, Message.of().u16(1)));

        assertFails("data is 2 bytes too long");
    }

    @Test
    void a_size_beyond_63_bits_is_refused() {
        startGo();

        receive(
                Message.optionReply(
                        Nbd.OPT_GO, Nbd.REP_INFO, exportInformation(Long.MIN_VALUE, 1)));

        assertFails("the export has 9223372036854775808 bytes");
    }

    @Test
    void flags_without_has_flags_are_refused() {
        startGo();

        receive(Message.optionReply(Nbd.OPT_GO, Nbd.REP_INFO, exportInformation(1, 2)));

        assertFails("lack HAS_FLAGS");
    }

    @Test
    void information_of_a_wrong_length_is_refused() {
        startGo();

        receive(
                Message.optionReply(
                        Nbd.OPT_GO, Nbd.REP_INFO, exportInformation(1, 1).raw((byte) 0)));

        assertFails("data is 1 bytes too long");
    }

    @Test
    void unknown_information_is_ignored() {
        startGo();

        receive(
                Message.optionReply(Nbd.OPT_GO, Nbd.REP_INFO, Message.of().u16(99).text("what?"))
                        .then(
                                Message.optionReply(
                                        Nbd.OPT_GO, Nbd.REP_INFO, exportInformation(1, 1)))
                        .then(Message.optionReply(Nbd.OPT_GO, Nbd.REP_ACK)));

        assertEquals(ClientHandshake.State.TRANSMISSION, client.state());
    }

    @Test
    void block_sizes_are_held_to_their_rules() {
        assertBlockSizes(0, 4096, 1 << 25, "minimum block size 0");
        assertBlockSizes(3, 4096, 1 << 25, "minimum block size 3");
        assertBlockSizes(1 << 17, 1 << 17, 1 << 25, "minimum block size 131072");
        assertBlockSizes(1, 0, 1 << 25, "preferred block size 0");
        assertBlockSizes(1, 256, 1 << 25, "preferred block size 256");
        assertBlockSizes(4096, 512, 1 << 25, "preferred block size 512");
        assertBlockSizes(1, 5000, 1 << 25, "preferred block size 5000");
        assertBlockSizes(1, 4096, 2048, "maximum payload 2048");
    }

    private void assertBlockSizes(
            final long min, final long preferred, final long max, final String failure) {
        startGo();
        receive(Message.optionReply(Nbd.OPT_GO, Nbd.REP_INFO, blockSizes(min, preferred, max)));
        assertFails(failure);
    }

    @Test
    void the_largest_block_sizes_are_taken() {
        startGo();

        receive(
                Message.optionReply(
                                Nbd.OPT_GO, Nbd.REP_INFO, blockSizes(65536, 1L << 31, 0xffff_ffffL))
                        .then(
                                Message.optionReply(
                                        Nbd.OPT_GO, Nbd.REP_INFO, exportInformation(1, 1)))
                        .then(Message.optionReply(Nbd.OPT_GO, Nbd.REP_ACK)));

        final RemoteExport export = client.negotiated().export();
        assertEquals(1L << 31, export.blockSizePreferred());
        assertEquals(Integer.MAX_VALUE, export.payloadLengthMax());
    }

    @Test
    void reply_types_of_other_options_are_refused() {
        startGo();

        receive(Message.optionReply(Nbd.OPT_GO, Nbd.REP_SERVER, Message.of().string("disk")));

        assertFails("reply type 2 is not for this option");
    }

    @Test
    void a_listed_name_longer_than_its_reply_is_refused() {
        start(ClientOptions.list());

        receive(
                Message.optionReply(
                        Nbd.OPT_LIST, Nbd.REP_SERVER, Message.of().u32(5).text("disk")));

        assertFails("data ends too early");
    }

    @Test
    void names_must_be_utf_8_without_nul() {
        start(ClientOptions.list());
        receive(
                Message.optionReply(
                        Nbd.OPT_LIST, Nbd.REP_SERVER, Message.of().u32(1).raw((byte) 0xc3)));
        assertFails("string is not UTF-8");

        start(ClientOptions.list());
        receive(Message.optionReply(Nbd.OPT_LIST, Nbd.REP_SERVER, Message.of().string("a\0b")));
        assertFails("string contains NUL");
    }

    @Test
    void contexts_without_end_are_cut_off() {
        start(ClientOptions.use("disk").withMetaContexts("base:allocation", "x-a:b"));
        receive(Message.optionReply(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK));

        for (int id = 0; id < 3; id++) {
            receive(
                    Message.optionReply(
                            Nbd.OPT_SET_META_CONTEXT,
                            Nbd.REP_META_CONTEXT,
                            Message.of().u32(id).text("x-a:b" + id)));
        }

        assertFails("more metadata contexts than were asked for");
    }

    @Test
    void a_context_number_used_twice_is_refused() {
        start(ClientOptions.use("disk").withMetaContexts("base:allocation", "x-a:b"));
        receive(Message.optionReply(Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ACK));

        for (int i = 0; i < 2; i++) {
            receive(
                    Message.optionReply(
                            Nbd.OPT_SET_META_CONTEXT,
                            Nbd.REP_META_CONTEXT,
                            Message.of().u32(4).text("x-a:b" + i)));
        }

        assertFails("metadata context ID 4 is used twice");
    }

    @Test
    void a_list_without_end_is_cut_off() {
        start(ClientOptions.list());
        final Message entry =
                Message.optionReply(
                        Nbd.OPT_LIST, Nbd.REP_SERVER, Message.of().string("disk").zeroes(0));
        int entries = 0;
        while (client.state() == ClientHandshake.State.NEGOTIATING && entries < 1_000_000) {
            receive(entry);
            entries++;
        }

        assertFails("the answer is longer than 4194304 bytes");
    }

    @Test
    void information_without_end_is_cut_off() {
        startGo();
        final Message information =
                Message.optionReply(Nbd.OPT_GO, Nbd.REP_INFO, Message.of().u16(77).zeroes(4000));
        int count = 0;
        while (client.state() == ClientHandshake.State.NEGOTIATING && count < 1_000_000) {
            receive(information);
            count++;
        }

        assertFails("the answer is longer than 4194304 bytes");
    }
}
