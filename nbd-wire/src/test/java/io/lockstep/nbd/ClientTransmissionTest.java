package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** {@link ClientTransmission} against servers that are odd or hostile. */
final class ClientTransmissionTest {
    private static final long SIZE = 1 << 20;
    private static final int DONE = Nbd.REPLY_FLAG_DONE;
    private static final int BASE_ID = 70;
    private static final int WIDE_ID = -1;

    private final PendingRequests pending = new PendingRequests(8);
    private final ReplyRecorder recorder = new ReplyRecorder();
    private ReplyStyle style = ReplyStyle.STRUCTURED;
    private ClientTransmission client = of(ReplyStyle.STRUCTURED);

    private ClientTransmission of(final ReplyStyle agreedStyle) {
        return new ClientTransmission(
                new ClientNegotiated(
                        new RemoteExport("disk", "", SIZE, Nbd.FLAG_HAS_FLAGS, 1, 4096, 1 << 25),
                        agreedStyle,
                        List.of(
                                new SelectedContext(BASE_ID, "base:allocation"),
                                new SelectedContext(WIDE_ID, "x-lockstep:epoch"))),
                pending,
                recorder);
    }

    private void use(final ReplyStyle agreedStyle) {
        style = agreedStyle;
        client = of(agreedStyle);
        while (!pending.isEmpty()) {
            for (int i = 0; i < pending.capacity(); i++) {
                if (pending.at(i) != null) {
                    pending.remove(pending.at(i));
                }
            }
        }
        recorder.events.clear();
    }

    private PendingRequest ask(final int command, final long offset, final long length) {
        return pending.add(command, 0, offset, length);
    }

    private PendingRequest read() {
        return ask(Nbd.CMD_READ, 1000, 100);
    }

    private Message chunk(
            final int flags, final int type, final PendingRequest request, final Message data) {
        return style == ReplyStyle.EXTENDED
                ? Message.extendedChunk(flags, type, request.cookie(), request.offset(), data)
                : Message.chunk(flags, type, request.cookie(), data);
    }

    private Message data(
            final int flags, final PendingRequest request, final long offset, final int length) {
        final byte[] content = new byte[length];
        Arrays.fill(content, (byte) 'x');
        return chunk(
                flags, Nbd.REPLY_TYPE_OFFSET_DATA, request, Message.of().u64(offset).raw(content));
    }

    private Message hole(
            final int flags, final PendingRequest request, final long offset, final long length) {
        return chunk(
                flags, Nbd.REPLY_TYPE_OFFSET_HOLE, request, Message.of().u64(offset).u32(length));
    }

    private Message none(final int flags, final PendingRequest request) {
        return chunk(flags, Nbd.REPLY_TYPE_NONE, request, Message.of());
    }

    private Message status(final int flags, final PendingRequest request, final Message data) {
        return chunk(
                flags,
                style == ReplyStyle.EXTENDED
                        ? Nbd.REPLY_TYPE_BLOCK_STATUS_EXT
                        : Nbd.REPLY_TYPE_BLOCK_STATUS,
                request,
                data);
    }

    private static Message error(final int error, final String text) {
        return Message.of().u32(error).u16(text.length()).text(text);
    }

    private long receive(final Message message) {
        return client.receive(message.toSegment(), 0, message.length());
    }

    private void assertTaken(final Message message, final String... events) {
        assertEquals(message.length(), receive(message), client::violation);
        assertEquals(ClientTransmission.State.OPEN, client.state(), client::violation);
        assertEquals(List.of(events), recorder.events);
        recorder.events.clear();
    }

    private void assertViolated(final String violation, final Message message) {
        receive(message);
        assertEquals(ClientTransmission.State.VIOLATED, client.state());
        assertTrue(
                client.violation().startsWith("server broke the protocol: ")
                        && client.violation().contains(violation),
                client.violation());
        use(style);
    }

    // ---- Headers and cookies.

    @Test
    void a_reply_to_nothing_is_a_violation() {
        assertViolated("not in flight, cookie 0x77", Message.simpleReply(0, 0x77));
        assertViolated(
                "not in flight, cookie 0x77",
                Message.chunk(DONE, Nbd.REPLY_TYPE_NONE, 0x77, Message.of()));
    }

    @Test
    void a_second_end_of_a_reply_is_a_violation() {
        final PendingRequest write = ask(Nbd.CMD_WRITE, 0, 10);
        final Message reply = none(DONE, write);
        assertTaken(reply, "done 0");

        assertViolated("not in flight", reply);
    }

    @Test
    void a_chunk_after_the_last_is_a_violation() {
        final PendingRequest read = read();

        assertViolated(
                "not in flight", data(DONE, read, 1000, 100).then(hole(DONE, read, 1000, 1)));
    }

    @Test
    void what_is_no_reply_is_a_violation() {
        read();

        assertViolated("where one was due 0x48545450", Message.of().text("HTTP/1.1 400 Bad"));
    }

    @Test
    void chunks_in_simple_style_are_a_violation() {
        use(ReplyStyle.SIMPLE);

        assertViolated(
                "no reply of the agreed style",
                Message.chunk(DONE, Nbd.REPLY_TYPE_NONE, read().cookie(), Message.of()));
    }

    @Test
    void compact_replies_under_extended_headers_are_a_violation() {
        use(ReplyStyle.EXTENDED);
        assertViolated("agreed style", Message.simpleReply(0, ask(1, 0, 1).cookie()));
        assertViolated(
                "agreed style",
                Message.chunk(DONE, Nbd.REPLY_TYPE_NONE, ask(1, 0, 1).cookie(), Message.of()));
    }

    @Test
    void extended_headers_in_structured_style_are_a_violation() {
        assertViolated(
                "agreed style",
                Message.extendedChunk(
                        DONE, Nbd.REPLY_TYPE_NONE, ask(1, 0, 1).cookie(), 0, Message.of()));
    }

    @Test
    void an_extended_reply_must_repeat_the_requests_offset() {
        use(ReplyStyle.EXTENDED);

        assertViolated(
                "repeats a wrong offset 0x9",
                Message.extendedChunk(
                        DONE, Nbd.REPLY_TYPE_NONE, ask(1, 8, 1).cookie(), 9, Message.of()));
    }

    @Test
    void a_chunk_of_an_unknown_type_is_a_violation() {
        for (final int type : new int[] {3, 4, 7, 0x7fff}) {
            assertViolated("unknown reply chunk type", chunk(DONE, type, read(), Message.of()));
        }
    }

    @Test
    void unknown_reply_flags_are_ignored() {
        final PendingRequest write = ask(Nbd.CMD_WRITE, 0, 10);

        assertTaken(none(0xffff, write), "done 0");
    }

    @Test
    void none_is_empty_and_the_last() {
        assertViolated(
                "type NONE", chunk(DONE, Nbd.REPLY_TYPE_NONE, read(), Message.of().zeroes(1)));
        assertViolated("type NONE", none(0, read()));
    }

    // ---- Simple replies.

    @Test
    void simple_replies_carry_reads_of_the_length_asked_for() {
        use(ReplyStyle.SIMPLE);
        final PendingRequest read = ask(Nbd.CMD_READ, 10, 3);
        final PendingRequest write = ask(Nbd.CMD_WRITE, 0, 4);

        assertTaken(
                Message.simpleReply(0, read.cookie())
                        .text("abc")
                        .then(Message.simpleReply(0, write.cookie())),
                "data 10+3",
                "done 0",
                "done 0");
    }

    @Test
    void a_simple_error_carries_nothing() {
        use(ReplyStyle.SIMPLE);

        assertTaken(Message.simpleReply(Nbd.EIO, read().cookie()), "error 5 at -1: ", "done 5");
    }

    @Test
    void an_unknown_error_value_is_taken_for_einval() {
        use(ReplyStyle.SIMPLE);

        assertTaken(Message.simpleReply(9999, read().cookie()), "error 22 at -1: ", "done 22");
    }

    @Test
    void a_simple_success_of_a_read_in_structured_style_is_a_violation() {
        assertViolated("simple reply to a read", Message.simpleReply(0, read().cookie()));
    }

    @Test
    void a_simple_success_of_a_block_status_is_a_violation() {
        assertViolated(
                "part missing", Message.simpleReply(0, ask(Nbd.CMD_BLOCK_STATUS, 0, 1).cookie()));
    }

    @Test
    void a_simple_error_of_a_read_in_structured_style_is_borne() {
        assertTaken(Message.simpleReply(Nbd.EPERM, read().cookie()), "error 1 at -1: ", "done 1");
    }

    // ---- Reads in chunks.

    @Test
    void chunks_come_in_any_order_and_between_those_of_other_requests() {
        final PendingRequest one = ask(Nbd.CMD_READ, 1000, 100);
        final PendingRequest other = ask(Nbd.CMD_READ, 0, 10);

        assertTaken(
                data(0, one, 1050, 50)
                        .then(hole(0, other, 4, 6))
                        .then(hole(0, one, 1000, 20))
                        .then(data(DONE, other, 0, 4))
                        .then(data(0, one, 1020, 30))
                        .then(none(DONE, one)),
                "data 1050+50",
                "hole 4+6",
                "hole 1000+20",
                "data 0+4",
                "done 0",
                "data 1020+30",
                "done 0");
    }

    @Test
    void a_read_that_is_not_complete_is_a_violation() {
        assertViolated("part missing", none(DONE, read()));
        assertViolated("part missing", data(DONE, read(), 1000, 99));
        assertViolated("part missing", hole(DONE, read(), 1001, 99));
    }

    @Test
    void a_read_with_an_error_need_not_be_complete() {
        final PendingRequest read = read();

        assertTaken(
                data(0, read, 1000, 50)
                        .then(
                                chunk(
                                        DONE,
                                        Nbd.REPLY_TYPE_ERROR_OFFSET,
                                        read,
                                        error(Nbd.EIO, "bad sector").u64(1020))),
                "data 1000+50",
                "error 5 at 1020: bad sector",
                "done 5");
    }

    @Test
    void data_beyond_the_request_is_a_violation() {
        for (final long offset : new long[] {999, 1001, 0, 1100, Long.MIN_VALUE, -1}) {
            assertViolated("beyond what was asked for", data(DONE, read(), offset, 100));
            assertViolated("beyond what was asked for", hole(DONE, read(), offset, 100));
        }
        assertViolated("beyond what was asked for", hole(DONE, read(), 1000, 0xffff_ffffL));
    }

    @Test
    void data_beyond_the_request_is_noticed_before_it_comes() {
        final PendingRequest read = read();

        assertViolated(
                "beyond what was asked for",
                Message.of()
                        .u32(Nbd.STRUCTURED_REPLY_MAGIC)
                        .u16(DONE)
                        .u16(Nbd.REPLY_TYPE_OFFSET_DATA)
                        .u64(read.cookie())
                        .u32(0xffff_ffffL)
                        .u64(1000));
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MAX_VALUE, Long.MIN_VALUE, -1, -8, 1L << 32})
    void an_extended_length_of_64_bits_does_not_overflow(final long length) {
        use(ReplyStyle.EXTENDED);
        for (final int type : new int[] {0, 1, 2, 6, 0x8001, 0x8002, 0x8042}) {
            final PendingRequest request =
                    ask(type == 6 ? Nbd.CMD_BLOCK_STATUS : Nbd.CMD_READ, 1000, 100);
            assertViolated(
                    "",
                    Message.of()
                            .u32(Nbd.EXTENDED_REPLY_MAGIC)
                            .u16(DONE)
                            .u16(type)
                            .u64(request.cookie())
                            .u64(1000)
                            .u64(length)
                            .u64(1000)
                            .zeroes(100));
        }
    }

    @Test
    void data_that_overlaps_is_a_violation() {
        final PendingRequest read = read();

        assertViolated("overlaps", data(0, read, 1000, 60).then(hole(0, read, 1059, 1)));
    }

    @Test
    void chunks_of_no_bytes_or_a_wrong_length_are_violations() {
        assertViolated("data chunk of a wrong length", data(DONE, read(), 1000, 0));
        assertViolated(
                "data chunk of a wrong length",
                chunk(DONE, Nbd.REPLY_TYPE_OFFSET_DATA, read(), Message.of().zeroes(7)));
        assertViolated("hole chunk of no bytes", hole(DONE, read(), 1000, 0));
        assertViolated(
                "hole chunk of a wrong length",
                chunk(
                        DONE,
                        Nbd.REPLY_TYPE_OFFSET_HOLE,
                        read(),
                        Message.of().u64(1000).u32(100).zeroes(1)));
    }

    @Test
    void data_for_another_command_is_a_violation() {
        assertViolated(
                "another command than read", data(DONE, ask(Nbd.CMD_WRITE, 1000, 100), 1000, 100));
        assertViolated(
                "another command than read", hole(DONE, ask(Nbd.CMD_TRIM, 1000, 100), 1000, 100));
    }

    @Test
    void a_read_that_must_not_be_fragmented_comes_in_one_chunk() {
        final PendingRequest read = pending.add(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 1000, 100);

        assertViolated(
                "must not be fragmented", data(0, read, 1000, 50).then(data(0, read, 1050, 50)));
    }

    // ---- Receiving data where it belongs.

    @Test
    void the_driver_may_receive_data_itself() {
        final PendingRequest read = read();
        final byte[] whole = data(DONE, read, 1000, 100).toBytes();
        assertNull(client.dataRequest());

        assertEquals(28 + 10, client.receive(MemorySegment.ofArray(whole), 0, 28 + 10));
        assertSame(read, client.dataRequest());
        assertEquals(1010, client.dataOffset());
        assertEquals(90, client.dataRemaining());
        client.dataReceived(50);
        assertEquals(1060, client.dataOffset());
        client.dataReceived(40);

        assertNull(client.dataRequest());
        assertEquals(List.of("data 1000+10", "done 0"), recorder.events);
    }

    // ---- Block status.

    @Test
    void extents_come_one_by_one_for_each_context() {
        final PendingRequest request = ask(Nbd.CMD_BLOCK_STATUS, 1000, 100);

        assertTaken(
                status(
                                0,
                                request,
                                Message.of().u32(WIDE_ID).u32(50).u32(7).u32(100).u32(0xffff_ffffL))
                        .then(status(DONE, request, Message.of().u32(BASE_ID).u32(20).u32(3))),
                "extent of -1 1000+50 flags 7",
                "extent of -1 1050+100 flags ffffffff",
                "extent of 70 1000+20 flags 3",
                "done 0");
    }

    @Test
    void extended_extents_have_64_bits_and_end_with_the_export() {
        use(ReplyStyle.EXTENDED);
        final PendingRequest request = ask(Nbd.CMD_BLOCK_STATUS, 1000, 100);

        assertTaken(
                status(0, request, Message.of().u32(WIDE_ID).u32(1).u64(-1).u64(-1))
                        .then(
                                status(
                                        DONE,
                                        request,
                                        Message.of().u32(BASE_ID).u32(1).u64(100).u64(1))),
                "extent of -1 1000+" + (SIZE - 1000) + " flags ffffffffffffffff",
                "extent of 70 1000+100 flags 1",
                "done 0");
    }

    @Test
    void block_status_must_keep_the_rules() {
        final Message good = Message.of().u32(BASE_ID).u32(50).u32(0);
        assertViolated("part missing", status(DONE, ask(Nbd.CMD_BLOCK_STATUS, 1000, 100), good));
        final PendingRequest twice = ask(Nbd.CMD_BLOCK_STATUS, 1000, 100);
        assertViolated("repeated", status(0, twice, good).then(status(0, twice, good)));
        assertViolated("another command", status(DONE, read(), good));
        assertStatusViolated("unknown", Message.of().u32(71).u32(50).u32(0));
        assertStatusViolated("wrong length", Message.of().u32(BASE_ID));
        assertStatusViolated("wrong length", Message.of().u32(BASE_ID).zeroes(7));
        assertStatusViolated("no bytes", Message.of().u32(BASE_ID).u32(0).u32(0));
        assertStatusViolated(
                "begins beyond", Message.of().u32(BASE_ID).u32(100).u32(0).u32(1).u32(0));
        assertViolated(
                "type that was not agreed on",
                chunk(
                        DONE,
                        Nbd.REPLY_TYPE_BLOCK_STATUS_EXT,
                        ask(Nbd.CMD_BLOCK_STATUS, 1000, 100),
                        good));
    }

    @Test
    void extended_block_status_must_keep_the_rules() {
        use(ReplyStyle.EXTENDED);
        assertStatusViolated("belies its count", Message.of().u32(BASE_ID).u32(2).u64(50).u64(0));
        assertStatusViolated("wrong length", Message.of().u32(BASE_ID).u32(0));
        assertStatusViolated(
                "beyond 32 bits", Message.of().u32(BASE_ID).u32(1).u64(50).u64(1L << 32));
        assertViolated(
                "type that was not agreed on",
                chunk(
                        DONE,
                        Nbd.REPLY_TYPE_BLOCK_STATUS,
                        ask(Nbd.CMD_BLOCK_STATUS, 1000, 100),
                        Message.of().u32(BASE_ID).u32(50).u32(0)));
    }

    private void assertStatusViolated(final String violation, final Message data) {
        assertViolated(violation, status(0, ask(Nbd.CMD_BLOCK_STATUS, 1000, 100), data));
    }

    @Test
    void one_extent_means_one_and_no_more_than_asked_for() {
        final int flag = Nbd.CMD_FLAG_REQ_ONE;
        assertViolated(
                "several extents",
                status(
                        0,
                        pending.add(Nbd.CMD_BLOCK_STATUS, flag, 1000, 100),
                        Message.of().u32(BASE_ID).u32(50).u32(0).u32(50).u32(1)));
        assertViolated(
                "longer than what was asked for",
                status(
                        0,
                        pending.add(Nbd.CMD_BLOCK_STATUS, flag, 1000, 100),
                        Message.of().u32(BASE_ID).u32(101).u32(0)));
    }

    @Test
    void too_many_descriptors_are_a_violation() {
        final PendingRequest request = ask(Nbd.CMD_BLOCK_STATUS, 0, SIZE);

        assertViolated(
                "wrong length",
                Message.of()
                        .u32(Nbd.STRUCTURED_REPLY_MAGIC)
                        .u16(DONE)
                        .u16(Nbd.REPLY_TYPE_BLOCK_STATUS)
                        .u64(request.cookie())
                        .u32(4 + 8 * ((1 << 20) + 1))
                        .u32(BASE_ID));
    }

    // ---- Errors.

    @Test
    void unknown_kinds_of_errors_are_borne_with_all_that_follows_their_text() {
        final PendingRequest write = ask(Nbd.CMD_WRITE, 0, 10);
        final PendingRequest read = read();

        assertTaken(
                chunk(0, 0x8055, write, error(Nbd.ENOSPC, "full").zeroes(1000))
                        .then(none(DONE, write))
                        .then(data(DONE, read, 1000, 100)),
                "error 28 at -1: full",
                "done 28",
                "data 1000+100",
                "done 0");
    }

    @Test
    void the_first_error_of_several_stands() {
        final PendingRequest read = read();

        assertTaken(
                chunk(0, Nbd.REPLY_TYPE_ERROR_OFFSET, read, error(Nbd.EIO, "").u64(1000))
                        .then(
                                chunk(
                                        DONE,
                                        Nbd.REPLY_TYPE_ERROR_OFFSET,
                                        read,
                                        error(Nbd.ENOMEM, "no memory").u64(1099))),
                "error 5 at 1000: ",
                "error 12 at 1099: no memory",
                "done 5");
    }

    @Test
    void errors_must_keep_the_rules() {
        assertErrorViolated("with no error", Nbd.REPLY_TYPE_ERROR, error(0, "fine"));
        assertErrorViolated("wrong length", Nbd.REPLY_TYPE_ERROR, Message.of().zeroes(5));
        assertErrorViolated(
                "text of a wrong length", Nbd.REPLY_TYPE_ERROR, Message.of().u32(5).u16(1));
        assertErrorViolated(
                "text of a wrong length", 0x8055, Message.of().u32(5).u16(0xffff).text("short"));
        assertErrorViolated("text of a wrong length", 0x8055, error(5, "x".repeat(4097)));
        assertErrorViolated(
                "wrong length", Nbd.REPLY_TYPE_ERROR_OFFSET, Message.of().u32(5).u16(0).u32(0));
        assertErrorViolated(
                "text of a wrong length",
                Nbd.REPLY_TYPE_ERROR_OFFSET,
                Message.of().u32(5).u16(1).u64(1000));
        assertErrorViolated(
                "beyond what was asked for",
                Nbd.REPLY_TYPE_ERROR_OFFSET,
                Message.of().u32(5).u16(0).u64(1100));
        assertErrorViolated("wrong length", 0x8055, Message.of().u32(5).u16(0).zeroes(1 << 17));
    }

    private void assertErrorViolated(final String violation, final int type, final Message data) {
        assertViolated(violation, chunk(DONE, type, read(), data));
    }

    @Test
    void the_longest_error_fits_in_a_message() {
        use(ReplyStyle.EXTENDED);
        final Message longest =
                chunk(
                        DONE,
                        Nbd.REPLY_TYPE_ERROR_OFFSET,
                        read(),
                        error(5, "x".repeat(4096)).u64(1000));

        assertEquals(ClientTransmission.MESSAGE_LENGTH_MAX, longest.length());
        assertTaken(longest, "error 5 at 1000: " + "x".repeat(4096), "done 5");
    }

    // ---- The handler.

    @Test
    void a_handler_may_end_it_at_any_event() {
        final PendingRequest read = read();
        final Message reply =
                data(0, read, 1000, 50)
                        .then(hole(0, read, 1050, 50))
                        .then(chunk(DONE, Nbd.REPLY_TYPE_ERROR, read, error(Nbd.EIO, "broken")));
        recorder.onEvent = client::close;

        receive(reply);

        assertEquals(ClientTransmission.State.CLOSED, client.state());
        assertEquals(List.of("data 1000+50"), recorder.events);
        assertEquals(0, receive(reply), "nothing is taken any more");
    }

    @Test
    void a_handler_may_make_a_request_in_the_place_of_the_one_that_is_done() {
        for (int i = 0; i < pending.capacity() - 1; i++) {
            ask(Nbd.CMD_FLUSH, 0, 0);
        }
        final PendingRequest last = ask(Nbd.CMD_FLUSH, 0, 0);
        assertTrue(pending.isFull());
        recorder.onEvent = () -> ask(Nbd.CMD_WRITE, 0, 1);

        assertTaken(none(DONE, last), "done 0");

        assertTrue(pending.isFull());
    }
}
