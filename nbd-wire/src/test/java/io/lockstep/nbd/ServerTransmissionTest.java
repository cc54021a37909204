package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** {@link ServerTransmission}, command by command. */
final class ServerTransmissionTest {
    private static final long SIZE = SampleCatalog.DISK.size();
    private static final int PAYLOAD_MAX = SampleCatalog.DISK.payloadLengthMax();
    private static final long COOKIE = 0x0123_4567_89ab_cdefL;
    private static final List<String> CONTEXTS = SampleCatalog.DISK.metaContexts();

    /** What the transmission handed over, in words. */
    private final List<String> events = new ArrayList<>();

    private int room = Integer.MAX_VALUE;
    private MemorySegment received = MemorySegment.NULL;

    private final ServerTransmission.Handler handler =
            new ServerTransmission.Handler() {
                @Override
                public boolean onRequest(final Request request) {
                    if (room == 0) {
                        return false;
                    }
                    room--;
                    events.add(
                            "request %d flags %d %d+%d contexts %s%s"
                                    .formatted(
                                            request.command(),
                                            request.flags(),
                                            request.offset(),
                                            request.length(),
                                            Integer.toBinaryString(request.contexts()),
                                            request.command() == Nbd.CMD_WRITE
                                                    ? " payload " + payload(request)
                                                    : ""));
                    return true;
                }

                @Override
                public boolean onRejected(
                        final Request request, final int error, final String reason) {
                    if (room == 0) {
                        return false;
                    }
                    room--;
                    assertFalse(reason.isEmpty());
                    events.add(
                            "rejected %d error %d: %s".formatted(request.command(), error, reason));
                    return true;
                }

                @Override
                public boolean onPayloadAhead(final Request request) {
                    return takesPayloadAhead;
                }

                @Override
                public void onPayload(final Request request) {
                    events.add("payload of %d+%d".formatted(request.offset(), request.length()));
                }
            };

    private boolean takesPayloadAhead;

    private String payload(final Request request) {
        final StringBuilder text = new StringBuilder();
        for (long i = 0; i < request.length(); i++) {
            text.append((char) received.get(ValueLayout.JAVA_BYTE, request.payloadPosition() + i));
        }
        return text.toString();
    }

    private ServerTransmission transmission = of(SampleCatalog.DISK, ReplyStyle.SIMPLE);

    private ServerTransmission of(final Export export, final ReplyStyle style) {
        final int negotiatedFlags =
                switch (style) {
                    case SIMPLE -> 0;
                    case STRUCTURED -> Nbd.FLAG_SEND_DF;
                    case EXTENDED -> Nbd.FLAG_SEND_DF | Nbd.FLAG_BLOCK_STATUS_PAYLOAD;
                };
        return new ServerTransmission(
                new Negotiated(
                        export,
                        style,
                        style == ReplyStyle.SIMPLE ? List.of() : export.metaContexts(),
                        export.transmissionFlags() | negotiatedFlags),
                handler);
    }

    private void use(final ReplyStyle style) {
        transmission = of(SampleCatalog.DISK, style);
    }

    private static Export with(final int flags, final int blockSizeMin) {
        return new Export("disk", "", SIZE, flags, blockSizeMin, 4096, PAYLOAD_MAX, CONTEXTS);
    }

    private long send(final Message message) {
        received = message.toSegment();
        return transmission.receive(received, 0, received.byteSize());
    }

    private void assertTaken(final Message message, final String... expected) {
        events.clear();
        assertEquals(message.length(), send(message), transmission::violation);
        assertEquals(List.of(expected), events);
        assertEquals(ServerTransmission.State.OPEN, transmission.state());
    }

    private void assertRejected(final Message message, final int error, final String reason) {
        events.clear();
        assertEquals(message.length(), send(message), transmission::violation);
        assertEquals(1, events.size(), events::toString);
        assertTrue(
                events.getFirst().contains("error " + error + ": ")
                        && events.getFirst().contains(reason),
                events::toString);
        assertEquals(ServerTransmission.State.OPEN, transmission.state());
    }

    private static Message compact(
            final int flags, final int command, final long offset, final long length) {
        return Message.compactRequest(flags, command, COOKIE, offset, length);
    }

    private static Message extended(
            final int flags, final int command, final long offset, final long length) {
        return Message.extendedRequest(flags, command, COOKIE, offset, length);
    }

    private static String accepted(
            final int command, final int flags, final long offset, final long length) {
        return "request %d flags %d %d+%d contexts 0".formatted(command, flags, offset, length);
    }

    // ---- What each command takes.

    @ParameterizedTest
    @CsvSource({
        "0, 0", // read
        "0, 1", // FUA is allowed on every command
        "4, 0", // trim
        "4, 1", "5, 0", // cache
        "6, 0", // write zeroes
        "6, 2", // not as a hole
        "6, 16", // fast
        "6, 19"
    })
    void commands_over_a_range_are_handed_over(final int command, final int flags) {
        assertTaken(compact(flags, command, 512, 1024), accepted(command, flags, 512, 1024));
    }

    @Test
    void a_write_is_handed_over_with_its_payload_in_place() {
        assertTaken(
                compact(1, Nbd.CMD_WRITE, 7, 5).text("hello"),
                accepted(Nbd.CMD_WRITE, 1, 7, 5) + " payload hello");
    }

    @Test
    void a_flush_is_handed_over_and_has_no_range() {
        assertTaken(compact(0, Nbd.CMD_FLUSH, 0, 0), accepted(Nbd.CMD_FLUSH, 0, 0, 0));
        assertRejected(compact(0, Nbd.CMD_FLUSH, 0, 1), Nbd.EINVAL, "offset or a length");
        assertRejected(compact(0, Nbd.CMD_FLUSH, 1, 0), Nbd.EINVAL, "offset or a length");
    }

    @Test
    void requests_come_one_after_the_other_out_of_one_buffer() {
        assertTaken(
                compact(0, Nbd.CMD_READ, 0, 1)
                        .then(compact(0, Nbd.CMD_WRITE, 0, 2).text("ab"))
                        .then(compact(0, Nbd.CMD_READ, 1, 1)),
                accepted(Nbd.CMD_READ, 0, 0, 1),
                accepted(Nbd.CMD_WRITE, 0, 0, 2) + " payload ab",
                accepted(Nbd.CMD_READ, 0, 1, 1));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4, 5, 6})
    void requests_of_no_bytes_are_taken(final int command) {
        assertTaken(
                compact(0, command, SIZE, 0),
                accepted(command, 0, SIZE, 0) + (command == Nbd.CMD_WRITE ? " payload " : ""));
    }

    @ParameterizedTest
    @CsvSource({"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "65535"})
    void a_flag_that_is_not_the_commands_is_rejected(final int command) {
        final boolean leaves = command == Nbd.CMD_DISC;
        for (final int flag : new int[] {4, 8, 32, 64, 1 << 15}) {
            if (!leaves) {
                assertRejected(compact(flag, command, 0, 0), Nbd.EINVAL, "");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {8, 9, 0x8000, 0xffff})
    void an_unknown_command_is_rejected(final int command) {
        assertRejected(compact(0, command, 0, 512), Nbd.EINVAL, "unknown command");
    }

    @Test
    void fua_needs_to_be_offered() {
        transmission = of(with(Nbd.FLAG_HAS_FLAGS, 1), ReplyStyle.SIMPLE);

        assertRejected(compact(1, Nbd.CMD_READ, 0, 1), Nbd.EINVAL, "flag");
    }

    @Test
    void fast_zero_needs_to_be_offered() {
        transmission =
                of(with(Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_SEND_WRITE_ZEROES, 1), ReplyStyle.SIMPLE);

        assertRejected(compact(16, Nbd.CMD_WRITE_ZEROES, 0, 1), Nbd.EINVAL, "flag");
        assertTaken(
                compact(2, Nbd.CMD_WRITE_ZEROES, 0, 1), accepted(Nbd.CMD_WRITE_ZEROES, 2, 0, 1));
    }

    @Test
    void a_read_that_must_not_be_fragmented_needs_chunks() {
        assertRejected(compact(Nbd.CMD_FLAG_DF, Nbd.CMD_READ, 0, 1), Nbd.EINVAL, "flag");
        use(ReplyStyle.STRUCTURED);

        send(compact(Nbd.CMD_FLAG_DF, Nbd.CMD_READ, 0, 1));

        assertEquals("request 0 flags 4 0+1 contexts 11", events.getLast());
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.CMD_FLUSH, Nbd.CMD_TRIM, Nbd.CMD_CACHE, Nbd.CMD_WRITE_ZEROES})
    void a_command_that_was_not_offered_is_rejected(final int command) {
        transmission = of(with(Nbd.FLAG_HAS_FLAGS, 1), ReplyStyle.SIMPLE);

        assertRejected(compact(0, command, 0, 0), Nbd.EINVAL, "not offered");
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.CMD_WRITE, Nbd.CMD_TRIM, Nbd.CMD_WRITE_ZEROES})
    void a_read_only_export_is_not_changed(final int command) {
        transmission =
                of(
                        with(SampleCatalog.DISK.transmissionFlags() | Nbd.FLAG_READ_ONLY, 1),
                        ReplyStyle.SIMPLE);
        final Message payload = command == Nbd.CMD_WRITE ? Message.of().zeroes(512) : Message.of();

        assertRejected(compact(0, command, 0, 512).then(payload), Nbd.EPERM, "read-only");
        assertTaken(compact(0, Nbd.CMD_READ, 0, 1), accepted(Nbd.CMD_READ, 0, 0, 1));
    }

    // ---- Ranges.

    @ParameterizedTest
    @CsvSource({
        "0, 22",
        "4, 22",
        "5, 22",
        "6, 28" // write zeroes: ENOSPC, as for writes
    })
    void ranges_end_with_the_export(final int command, final int error) {
        assertTaken(compact(0, command, SIZE - 1, 1), accepted(command, 0, SIZE - 1, 1));
        assertRejected(compact(0, command, SIZE - 1, 2), error, "beyond the end");
        assertRejected(compact(0, command, SIZE, 1), error, "beyond the end");
        assertRejected(compact(0, command, SIZE + 1, 0), error, "beyond the end");
        assertRejected(compact(0, command, 0, 0xffff_ffffL), error, "beyond the end");
        assertRejected(compact(0, command, Long.MAX_VALUE, 1), error, "beyond the end");
        assertRejected(compact(0, command, Long.MIN_VALUE, 1), error, "beyond the end");
        assertRejected(compact(0, command, -1, 1), error, "beyond the end");
        assertRejected(compact(0, command, -1, 0xffff_ffffL), error, "beyond the end");
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.CMD_READ, Nbd.CMD_TRIM, Nbd.CMD_CACHE, Nbd.CMD_WRITE_ZEROES})
    void ranges_of_64_bits_do_not_overflow(final int command) {
        use(ReplyStyle.EXTENDED);
        final int error = command == Nbd.CMD_WRITE_ZEROES ? Nbd.ENOSPC : Nbd.EINVAL;
        for (final long offset : new long[] {0, 1, SIZE, Long.MAX_VALUE, Long.MIN_VALUE, -1}) {
            for (final long length :
                    new long[] {SIZE + 1, Long.MAX_VALUE, Long.MIN_VALUE, -1, -SIZE, -offset}) {
                if (length != 0) {
                    assertRejected(extended(0, command, offset, length), error, "beyond the end");
                }
            }
        }
    }

    @Test
    void a_write_beyond_the_end_has_no_space() {
        assertRejected(
                compact(0, Nbd.CMD_WRITE, SIZE - 2, 3).text("abc"), Nbd.ENOSPC, "beyond the end");
    }

    @Test
    void a_read_may_be_as_long_as_the_maximum_payload() {
        assertTaken(
                compact(0, Nbd.CMD_READ, 0, PAYLOAD_MAX),
                accepted(Nbd.CMD_READ, 0, 0, PAYLOAD_MAX));
        assertRejected(compact(0, Nbd.CMD_READ, 0, PAYLOAD_MAX + 1), Nbd.EOVERFLOW, "longer");
    }

    @Test
    void commands_without_payload_may_be_longer_than_it() {
        assertTaken(compact(0, Nbd.CMD_TRIM, 0, SIZE), accepted(Nbd.CMD_TRIM, 0, 0, SIZE));
    }

    @ParameterizedTest
    @ValueSource(ints = {Nbd.CMD_READ, Nbd.CMD_TRIM, Nbd.CMD_CACHE, Nbd.CMD_WRITE_ZEROES})
    void ranges_are_aligned_to_the_minimum_block_size(final int command) {
        transmission = of(with(SampleCatalog.DISK.transmissionFlags(), 512), ReplyStyle.SIMPLE);

        assertTaken(compact(0, command, 512, 1024), accepted(command, 0, 512, 1024));
        assertRejected(compact(0, command, 511, 512), Nbd.EINVAL, "aligned");
        assertRejected(compact(0, command, 512, 511), Nbd.EINVAL, "aligned");
    }

    // ---- Payloads.

    @Test
    void the_payload_of_a_rejected_write_is_skipped_as_it_comes() {
        final Message write = compact(0, Nbd.CMD_WRITE, SIZE, 1000);
        assertEquals(28 + 10, send(write.zeroes(10)));
        assertEquals(1, events.size());
        assertEquals(900, send(Message.of().zeroes(900)));

        assertTaken(
                Message.of().zeroes(90).then(compact(0, Nbd.CMD_READ, 0, 1)),
                accepted(Nbd.CMD_READ, 0, 0, 1));
    }

    @Test
    void a_payload_taken_ahead_is_the_drivers_to_receive() {
        takesPayloadAhead = true;
        final Message header = compact(0, Nbd.CMD_WRITE, 4096, 100);
        assertEquals(28, send(header));
        assertEquals(100, transmission.payloadRemaining());
        assertEquals(0, send(compact(0, Nbd.CMD_READ, 0, 1)), "what comes now is no header");
        transmission.payloadReceived(60);
        assertEquals(40, transmission.payloadRemaining());
        assertEquals(List.of(), events);
        transmission.payloadReceived(40);
        assertEquals(List.of("payload of 4096+100"), events);
        assertTaken(compact(0, Nbd.CMD_READ, 0, 1), accepted(Nbd.CMD_READ, 0, 0, 1));
    }

    @Test
    void a_payload_that_has_begun_to_come_is_not_taken_ahead() {
        takesPayloadAhead = true;
        final byte[] whole = compact(0, Nbd.CMD_WRITE, 0, 100).zeroes(100).toBytes();
        received = MemorySegment.ofArray(whole);
        assertEquals(0, transmission.receive(received, 0, 29));
        assertEquals(0, transmission.payloadRemaining());
        assertEquals(128, transmission.receive(received, 0, 128));
        assertEquals(1, events.size());
    }

    @Test
    void a_rejected_write_is_not_taken_ahead() {
        takesPayloadAhead = true;
        assertEquals(28, send(compact(0, Nbd.CMD_WRITE, SIZE, 100)));
        assertEquals(0, transmission.payloadRemaining());
        assertEquals(1, events.size());
    }

    @Test
    void a_write_waits_for_all_of_its_payload() {
        final byte[] whole = compact(0, Nbd.CMD_WRITE, 0, 100).zeroes(100).toBytes();
        received = MemorySegment.ofArray(whole);
        for (int limit = 0; limit < whole.length; limit++) {
            assertEquals(0, transmission.receive(received, 0, limit));
            assertEquals(limit < 28 ? 28 : 128, transmission.wanted());
        }
        assertEquals(List.of(), events);
        assertEquals(128, transmission.receive(received, 0, 128));
        assertEquals(1, events.size());
    }

    @Test
    void a_write_beyond_the_maximum_that_a_client_must_know_is_rejected() {
        assertRejected(
                compact(0, Nbd.CMD_WRITE, 0, PAYLOAD_MAX + 1).zeroes(PAYLOAD_MAX + 1),
                Nbd.EINVAL,
                "longer than the maximum");
    }

    @Test
    void a_write_beyond_every_maximum_ends_the_session() {
        assertEquals(0, send(compact(0, Nbd.CMD_WRITE, 0, (32 << 20) + 1)));

        assertEquals(ServerTransmission.State.VIOLATED, transmission.state());
        assertTrue(transmission.violation().contains("longer than the maximum"));
        assertEquals(List.of(), events);
    }

    // ---- Extended headers.

    @Test
    void an_extended_write_must_say_that_it_has_a_payload() {
        use(ReplyStyle.EXTENDED);

        assertTaken(
                extended(32, Nbd.CMD_WRITE, 0, 2).text("ab"),
                "request 1 flags 32 0+2 contexts 11 payload ab");
        assertRejected(extended(0, Nbd.CMD_WRITE, 0, 2), Nbd.EINVAL, "without a payload");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 4, 5, 6, 99})
    void a_payload_that_a_command_has_no_use_for_is_skipped(final int command) {
        use(ReplyStyle.EXTENDED);

        assertRejected(extended(32, command, 0, 100).zeroes(100), Nbd.EINVAL, "");
        assertTaken(extended(0, Nbd.CMD_READ, 0, 1), "request 0 flags 0 0+1 contexts 11");
    }

    @ParameterizedTest
    @ValueSource(longs = {(1 << 16) + 1, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE, -1})
    void an_extended_payload_beyond_the_maximum_ends_the_session(final long length) {
        use(ReplyStyle.EXTENDED);

        send(extended(32, Nbd.CMD_WRITE, 0, length));

        assertEquals(ServerTransmission.State.VIOLATED, transmission.state());
        assertEquals(List.of(), events);
    }

    @Test
    void payload_length_means_nothing_in_compact_headers() {
        assertRejected(compact(32, Nbd.CMD_WRITE, 0, 2).text("ab"), Nbd.EINVAL, "flag");
        assertRejected(compact(32, Nbd.CMD_READ, 0, 2), Nbd.EINVAL, "flag");
    }

    // ---- Block status.

    @Test
    void block_status_needs_a_context() {
        assertRejected(
                compact(0, Nbd.CMD_BLOCK_STATUS, 0, 512), Nbd.EINVAL, "without a negotiated");
    }

    @Test
    void block_status_asks_for_all_contexts() {
        use(ReplyStyle.STRUCTURED);

        assertTaken(
                compact(8, Nbd.CMD_BLOCK_STATUS, 0, SIZE),
                "request 7 flags 8 0+" + SIZE + " contexts 11");
        assertRejected(compact(0, Nbd.CMD_BLOCK_STATUS, 1, SIZE), Nbd.EINVAL, "beyond");
        assertRejected(compact(0, Nbd.CMD_BLOCK_STATUS, 1, 0), Nbd.EINVAL, "of nothing");
        assertRejected(compact(32, Nbd.CMD_BLOCK_STATUS, 0, 512), Nbd.EINVAL, "flag");
    }

    private static Message statusPayload(final long length, final int... ids) {
        final Message message = Message.of().u64(length);
        for (final int id : ids) {
            message.u32(id);
        }
        return message;
    }

    private static Message statusRequest(final Message payload) {
        return extended(32, Nbd.CMD_BLOCK_STATUS, 1024, payload.length()).then(payload);
    }

    @Test
    void block_status_with_a_payload_asks_for_some_contexts() {
        use(ReplyStyle.EXTENDED);

        assertTaken(
                statusRequest(statusPayload(4096, 1)), "request 7 flags 32 1024+4096 contexts 10");
        assertTaken(
                statusRequest(statusPayload(512, 1, 0)), "request 7 flags 32 1024+512 contexts 11");
    }

    @Test
    void a_block_status_payload_is_checked() {
        use(ReplyStyle.EXTENDED);

        assertRejected(statusRequest(statusPayload(512, 2)), Nbd.EINVAL, "unknown or repeated");
        assertRejected(statusRequest(statusPayload(512, -1)), Nbd.EINVAL, "unknown or repeated");
        assertRejected(statusRequest(statusPayload(512, 1, 1)), Nbd.EINVAL, "unknown or repeated");
        assertRejected(statusRequest(statusPayload(512)), Nbd.EINVAL, "wrong length");
        assertRejected(statusRequest(Message.of()), Nbd.EINVAL, "wrong length");
        assertRejected(statusRequest(Message.of().zeroes(4)), Nbd.EINVAL, "wrong length");
        assertRejected(statusRequest(statusPayload(512, 1).zeroes(1)), Nbd.EINVAL, "wrong length");
        assertRejected(statusRequest(statusPayload(SIZE, 1)), Nbd.EINVAL, "beyond");
        assertRejected(statusRequest(statusPayload(-1, 1)), Nbd.EINVAL, "beyond");
        assertRejected(statusRequest(statusPayload(0, 1)), Nbd.EINVAL, "of nothing");
    }

    // ---- Leaving, stalling, nonsense.

    @ParameterizedTest
    @EnumSource
    void a_disconnect_ends_it_and_what_follows_is_left(final ReplyStyle style) {
        use(style);
        final Message leave =
                style == ReplyStyle.EXTENDED
                        ? extended(0, Nbd.CMD_DISC, 0, 0)
                        : compact(0, Nbd.CMD_DISC, 0, 0);
        final int length = leave.length();

        assertEquals(length, send(leave.zeroes(100)));

        assertEquals(ServerTransmission.State.DISCONNECTED, transmission.state());
        assertEquals(List.of(), events);
    }

    @Test
    void a_wrong_magic_ends_the_session() {
        send(extended(0, Nbd.CMD_READ, 0, 1));
        assertEquals(ServerTransmission.State.VIOLATED, transmission.state());

        use(ReplyStyle.EXTENDED);
        send(compact(0, Nbd.CMD_READ, 0, 1).zeroes(4));
        assertEquals(ServerTransmission.State.VIOLATED, transmission.state());
    }

    @Test
    void a_handler_without_room_stalls_it_and_sees_the_request_again() {
        room = 1;
        final Message two =
                compact(0, Nbd.CMD_WRITE, 0, 2)
                        .text("ab")
                        .then(compact(0, Nbd.CMD_WRITE, 2, 2).text("cd"));

        assertEquals(30, send(two));
        assertTrue(transmission.isStalled());

        room = 1;
        assertEquals(60, transmission.receive(received, 30, 60));
        assertFalse(transmission.isStalled());
        assertEquals(accepted(Nbd.CMD_WRITE, 0, 2, 2) + " payload cd", events.getLast());
    }

    @Test
    void a_rejection_without_room_stalls_too_and_its_payload_is_skipped_once() {
        room = 0;
        final Message request =
                compact(0, Nbd.CMD_WRITE, SIZE, 3).text("abc").then(compact(0, Nbd.CMD_READ, 0, 1));

        assertEquals(0, send(request));
        assertTrue(transmission.isStalled());
        assertEquals(0, transmission.receive(received, 0, received.byteSize()));

        room = 2;
        assertEquals(request.length(), transmission.receive(received, 0, received.byteSize()));
        assertEquals(2, events.size(), events::toString);
    }

    @Test
    void a_block_status_payload_that_is_rejected_without_room_comes_again() {
        use(ReplyStyle.EXTENDED);
        room = 0;
        final Message request = statusRequest(statusPayload(512, 9));

        assertEquals(0, send(request));
        assertTrue(transmission.isStalled());

        room = 1;
        assertEquals(request.length(), transmission.receive(received, 0, received.byteSize()));
        assertEquals(1, events.size());
    }
}
