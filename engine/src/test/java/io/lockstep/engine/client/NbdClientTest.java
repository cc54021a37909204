package io.lockstep.engine.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.ListedExport;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;

/** {@link NbdClient} and {@link NbdProbe} against a server in memory. */
final class NbdClientTest {
    private static final Endpoint ENDPOINT = new Endpoint.Tcp("nowhere", 1);
    private static final ClientOptions OPTIONS =
            ClientOptions.use("disk").withMetaContexts(Nbd.CONTEXT_BASE_ALLOCATION);
    private static final int ALL_FLAGS =
            Nbd.FLAG_HAS_FLAGS
                    | Nbd.FLAG_SEND_FLUSH
                    | Nbd.FLAG_SEND_FUA
                    | Nbd.FLAG_SEND_TRIM
                    | Nbd.FLAG_SEND_WRITE_ZEROES
                    | Nbd.FLAG_SEND_CACHE;
    private static final int PIPE = 1 << 18;
    private static final int REQUEST_LENGTH = 28;

    private final IoBuffer buffer = IoBuffer.reserve(4 << 20);
    private final List<String> events = new ArrayList<>();
    private final Disk.Completion completion = this::onComplete;
    private MemoryLoop loop = new MemoryLoop(1, PIPE);
    private SmallServer server;
    private NbdClient client;

    private final NbdClient.Listener listener =
            new NbdClient.Listener() {
                @Override
                public void onReady(final NbdClient ready) {
                    events.add("ready");
                }

                @Override
                public void onClosed(final NbdClient closed, final String reason) {
                    events.add("closed: " + reason);
                }
            };

    private final NbdProbe.ListListener listListener =
            new NbdProbe.ListListener() {
                @Override
                public void onList(final List<ListedExport> exports) {
                    events.add(exports.toString());
                }

                @Override
                public void onFailed(final String reason) {
                    events.add(reason);
                }
            };

    private void onComplete(final long token, final int errno) {
        events.add(
                token
                        + (errno == 0
                                ? " done"
                                : " " + Errno.name(errno) + " " + client.errorText()));
    }

    @AfterEach
    void release() {
        buffer.close();
    }

    private void serve(final long seed, final int pipeCapacity, final int flags) {
        loop = new MemoryLoop(seed, pipeCapacity);
        loop.serve(
                connection -> {
                    server = new SmallServer(connection, seed, flags);
                    return server;
                });
    }

    private void connect(final ClientOptions options, final ClientLimits limits) {
        client = NbdClient.connect(loop, ENDPOINT, options, limits, listener);
        loop.run();
    }

    private void connect() {
        serve(1, PIPE, ALL_FLAGS);
        connect(OPTIONS, ClientLimits.DEFAULT);
        assertEvents("ready");
    }

    private void assertEvents(final String... expected) {
        assertEquals(List.of(expected), events);
        events.clear();
    }

    private void go() {
        client.send();
        loop.run();
    }

    private byte[] bytes(final int position, final int length) {
        return buffer.segment().asSlice(position, length).toArray(ValueLayout.JAVA_BYTE);
    }

    private void fill(final int position, final byte[] content) {
        MemorySegment.copy(
                content, 0, buffer.segment(), ValueLayout.JAVA_BYTE, position, content.length);
    }

    private static byte[] noise(final int length, final long seed) {
        final byte[] content = new byte[length];
        new Random(seed).nextBytes(content);
        return content;
    }

    // ---- Requests.

    @ParameterizedTest
    @EnumSource
    void every_command_reaches_the_server_and_completes(final ReplyStyle style) {
        serve(1, PIPE, ALL_FLAGS);
        connect(OPTIONS.withReplyStyle(style), ClientLimits.DEFAULT);
        assertEvents("ready");
        assertEquals(style, client.negotiated().replyStyle());
        fill(0, noise(10_000, 1));

        assertTrue(client.write(5, 10_000, buffer, 0, Nbd.CMD_FLAG_FUA, completion, 1));
        go();
        assertTrue(client.writeZeroes(5, 1000, 0, completion, 2));
        go();
        assertTrue(client.trim(1005, 1000, 0, completion, 3));
        go();
        assertTrue(client.flush(completion, 4));
        assertTrue(client.cache(0, 4096, completion, 5));
        assertTrue(client.read(5, 10_000, buffer, 20_000, completion, 6));
        go();

        assertEquals(6, events.size());
        assertTrue(events.stream().allMatch(event -> event.endsWith(" done")), events::toString);
        final byte[] expected = noise(10_000, 1);
        Arrays.fill(expected, 0, 2000, (byte) 0);
        assertArrayEquals(expected, bytes(20_000, 10_000));
        assertEquals(0, client.inFlight());
    }

    @Test
    void block_status_comes_extent_by_extent_under_its_token() {
        connect();

        assertTrue(
                client.blockStatus(
                        4096,
                        8192,
                        Nbd.CMD_FLAG_REQ_ONE,
                        (token, context, offset, length, flags) ->
                                events.add(
                                        token
                                                + " extent "
                                                + context
                                                + " "
                                                + offset
                                                + "+"
                                                + length
                                                + " "
                                                + flags),
                        completion,
                        9));
        go();

        assertEvents("9 extent 0 4096+8192 2", "9 done");
    }

    @Test
    void short_requests_share_a_send() {
        connect();
        final int sends = loop.ends().getFirst().sends();
        for (int i = 0; i < 100; i++) {
            assertTrue(client.write(i * 512L, 512, buffer, 0, 0, completion, i));
        }

        client.send();

        assertEquals(1, loop.ends().getFirst().sends() - sends);
        loop.run();
        assertEquals(100, events.size());
    }

    @Test
    void what_completions_ask_for_goes_out_by_itself() {
        connect();
        final int[] left = {10};
        final Disk.Completion again =
                new Disk.Completion() {
                    @Override
                    public void onComplete(final long token, final int errno) {
                        if (left[0]-- > 0) {
                            assertTrue(client.flush(this, token));
                        }
                    }
                };
        assertTrue(client.flush(again, 0));

        go();

        assertEquals(11, server.commands.size());
    }

    @Test
    void one_request_beyond_the_limit_is_not_taken() {
        serve(1, PIPE, ALL_FLAGS);
        connect(OPTIONS, ClientLimits.DEFAULT.withInFlightMax(2));
        assertFalse(events.isEmpty());
        events.clear();
        assertTrue(client.flush(completion, 1));
        assertTrue(client.flush(completion, 2));

        assertFalse(client.flush(completion, 3));
        assertFalse(client.write(0, 100_000, buffer, 0, 0, completion, 3));
        assertEquals(2, client.inFlight());

        go();
        assertEquals(2, events.size());
        assertTrue(client.flush(completion, 3));
    }

    @Test
    void requests_before_the_handshake_are_not_taken() {
        serve(1, PIPE, ALL_FLAGS);
        client = NbdClient.connect(loop, ENDPOINT, OPTIONS, ClientLimits.DEFAULT, listener);

        assertNull(client.negotiated());
        assertFalse(client.flush(completion, 1));
        assertFalse(client.read(0, 1, buffer, 0, completion, 1));
    }

    @Test
    void an_error_completes_with_its_number_and_sentence() {
        connect();
        server.failWith = Nbd.ENOSPC;

        assertTrue(client.write(0, 10, buffer, 0, 0, completion, 1));
        go();

        assertEvents("1 ENOSPC told to fail");
        server.failWith = 0;
        assertTrue(client.write(0, 10, buffer, 0, 0, completion, 2));
        go();
        assertEvents("2 done");
    }

    @Test
    void what_was_not_offered_is_not_asked_for() {
        serve(1, PIPE, Nbd.FLAG_HAS_FLAGS);
        connect(ClientOptions.use("disk"), ClientLimits.DEFAULT);

        assertThrows(IllegalStateException.class, () -> client.flush(completion, 1));
        assertThrows(IllegalStateException.class, () -> client.trim(0, 1, 0, completion, 1));
        assertThrows(
                IllegalStateException.class,
                () -> client.blockStatus(0, 1, 0, (t, c, o, l, f) -> {}, completion, 1));
        assertEquals(0, client.inFlight());
    }

    static LongStream seeds() {
        return LongStream.range(0, 60);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void a_busy_client_reads_what_it_wrote_through_a_narrow_pipe(final long seed) {
        final Random random = new Random(seed);
        serve(seed, 1 + random.nextInt(50_000), ALL_FLAGS);
        connect(
                OPTIONS.withReplyStyle(
                        List.of(ReplyStyle.values())
                                .get(random.nextInt(ReplyStyle.values().length))),
                new ClientLimits(1 + random.nextInt(40), random.nextInt(5000), 1));
        assertEvents("ready");
        final int regionLength = SmallServer.SIZE / 16;
        final byte[] model = new byte[SmallServer.SIZE];
        // Each region of the disk has one request at a time, so that the order doesn't matter.
        final boolean[] taken = new boolean[16];
        final int[] readOffsets = new int[16];
        final int[] readLengths = new int[16];
        final int[] completed = {0};
        final Disk.Completion onDone =
                (token, errno) -> {
                    assertEquals(0, errno, client::errorText);
                    final int region = (int) token;
                    taken[region] = false;
                    completed[0]++;
                    if (readLengths[region] > 0) {
                        assertArrayEquals(
                                Arrays.copyOfRange(
                                        model,
                                        readOffsets[region],
                                        readOffsets[region] + readLengths[region]),
                                bytes(2 * region * regionLength, readLengths[region]));
                        readLengths[region] = 0;
                    }
                };
        int made = 0;
        while (made < 200) {
            final int region = random.nextInt(16);
            final int position = 2 * region * regionLength;
            final int length = 1 + random.nextInt(regionLength - 1);
            final int offset = region * regionLength + random.nextInt(regionLength - length);
            if (!taken[region] && random.nextInt(4) > 0) {
                taken[region] = true;
                final boolean isRead = random.nextBoolean();
                final boolean accepted;
                if (isRead) {
                    accepted = client.read(offset, length, buffer, position, onDone, region);
                } else {
                    final byte[] content = noise(length, random.nextLong());
                    fill(position, content);
                    accepted = client.write(offset, length, buffer, position, 0, onDone, region);
                    if (accepted) {
                        System.arraycopy(content, 0, model, offset, length);
                    }
                }
                taken[region] = accepted;
                made += accepted ? 1 : 0;
                if (accepted && isRead) {
                    readOffsets[region] = offset;
                    readLengths[region] = length;
                }
                if (accepted) {
                    continue;
                }
            }
            go();
        }
        go();
        assertEquals(made, completed[0]);
        assertArrayEquals(model, server.disk);
        assertEquals(List.of(), events);
    }

    // ---- Leaving.

    @Test
    void a_disconnect_waits_for_what_is_in_flight_and_says_goodbye() {
        connect();
        server.holding = true;
        assertTrue(client.flush(completion, 1));
        go();

        client.disconnect();

        assertFalse(client.flush(completion, 2));
        loop.run();
        assertEvents();
        server.holding = false;
        server.resume();
        loop.run();
        assertEvents("1 done", "closed: ");
        assertTrue(server.hasLeftSoftly());
        assertTrue(loop.ends().getFirst().isClosed());
        assertEquals(0, loop.timers());
    }

    @Test
    void an_idle_client_leaves_at_once() {
        connect();

        client.disconnect();
        client.disconnect();
        loop.run();

        assertEvents("closed: ");
        assertTrue(server.hasLeftSoftly());
    }

    @Test
    void a_client_may_leave_in_a_completion() {
        connect();
        assertTrue(
                client.flush(
                        (token, errno) -> {
                            events.add("flushed");
                            client.disconnect();
                        },
                        1));

        go();

        assertEvents("flushed", "closed: ");
        assertTrue(server.hasLeftSoftly());
    }

    @Test
    void a_client_may_be_cut_in_a_completion() {
        connect();
        System.arraycopy(noise(1 << 16, 5), 0, server.disk, 0, 1 << 16);
        assertTrue(
                client.flush(
                        (token, errno) -> {
                            events.add("flushed " + errno);
                            client.abort("enough");
                        },
                        1));
        assertTrue(client.read(0, 1 << 16, buffer, 0, completion, 2));

        go();

        assertTrue(events.contains("flushed 0"), events::toString);
        assertEquals("closed: enough", events.getLast());
        assertEquals(3, events.size(), events::toString);
    }

    @Test
    void an_abort_fails_everything_in_flight_once() {
        connect();
        server.holding = true;
        for (int i = 0; i < 5; i++) {
            assertTrue(client.write(0, 100_000, buffer, 0, 0, completion, i));
        }
        go();

        client.abort("gone");
        client.abort("again");
        loop.run();

        assertEvents(
                "0 ESHUTDOWN gone",
                "1 ESHUTDOWN gone",
                "2 ESHUTDOWN gone",
                "3 ESHUTDOWN gone",
                "4 ESHUTDOWN gone",
                "closed: gone");
        assertFalse(client.flush(completion, 9));
        client.send();
        client.disconnect();
        assertEvents();
    }

    @Test
    void a_server_that_closes_fails_everything_in_flight() {
        connect();
        server.holding = true;
        assertTrue(client.flush(completion, 1));
        go();

        loop.ends().getLast().close();
        loop.run();

        assertEvents(
                "1 ESHUTDOWN server: server closed the connection",
                "closed: server: server closed the connection");
    }

    @Test
    void a_broken_connection_is_told_when_it_is_met_by_sending() {
        connect();
        assertTrue(client.flush(completion, 1));
        loop.ends().getFirst().breakDown();

        client.send();
        assertEvents();
        loop.run();

        assertEvents(
                "1 ESHUTDOWN server: Connection reset by peer",
                "closed: server: Connection reset by peer");
    }

    @Test
    void a_server_that_breaks_the_protocol_is_left() {
        connect();
        server.holding = true;
        assertTrue(client.flush(completion, 1));
        go();
        server.holding = false;

        server.sendRaw(new byte[32]);
        loop.run();

        assertTrue(events.getLast().contains("server broke the protocol"), events::toString);
        assertTrue(loop.ends().getFirst().isClosed());
    }

    /** As it may, of a write that it will not do; nothing more is sent out of the memory then. */
    @Test
    void a_server_that_answers_a_write_too_early_is_left() throws IOException {
        serve(1, PIPE, ALL_FLAGS);
        connect(OPTIONS.withReplyStyle(ReplyStyle.STRUCTURED), ClientLimits.DEFAULT);
        assertEvents("ready");
        final MemoryLoop.End here = loop.ends().getFirst();
        final MemoryLoop.End there = loop.ends().getLast();
        final long[] sent = new long[1];
        assertTrue(
                client.write(
                        0,
                        1 << 20,
                        buffer,
                        0,
                        0,
                        (token, errno) -> {
                            onComplete(token, errno);
                            sent[0] = here.sent();
                        },
                        1));
        client.send();

        final ByteBuffer reply = ByteBuffer.allocate(16);
        reply.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(Nbd.ENOSPC).putLong(cookieOfRequest(there));
        fill(3 << 20, reply.array());
        assertEquals(16, there.send(buffer, 3 << 20, 16));
        loop.run();

        assertEquals("1 ENOSPC ", events.getFirst());
        assertTrue(
                events.getLast().startsWith("closed: server: server answered"), events::toString);
        assertEquals(sent[0], here.sent());
        assertTrue(here.isClosed());
    }

    /** Takes the header of the request that comes next; answers its cookie. */
    private long cookieOfRequest(final MemoryLoop.End there) throws IOException {
        final int at = 2 << 20;
        int count = 0;
        while (count < REQUEST_LENGTH) {
            count += there.receive(buffer, at + count, REQUEST_LENGTH - count);
        }
        return ByteBuffer.wrap(bytes(at, count)).getLong(8);
    }

    @Test
    void a_server_that_shuts_down_is_left_softly() {
        connect();
        server.failWith = Nbd.ESHUTDOWN;

        assertTrue(client.flush(completion, 1));
        go();

        assertEvents("1 ESHUTDOWN told to fail", "closed: server: server is shutting down");
        assertTrue(server.hasLeftSoftly());
    }

    @Test
    void a_completion_that_throws_keeps_no_other_from_its_own() {
        connect();
        assertTrue(
                client.flush(
                        (token, errno) -> {
                            throw new IllegalStateException("thrown by a test");
                        },
                        1));
        go();

        assertTrue(events.getLast().contains("thrown by a test"), events::toString);
        events.clear();

        connect();
        server.holding = true;
        assertTrue(
                client.flush(
                        (token, errno) -> {
                            throw new IllegalStateException("thrown by a test");
                        },
                        1));
        assertTrue(client.flush(completion, 2));
        go();
        assertThrows(IllegalStateException.class, () -> client.abort("gone"));
        assertEvents("2 ESHUTDOWN gone", "closed: gone");
    }

    // ---- Connecting.

    @Test
    void a_server_that_is_not_there_is_told() {
        loop = new MemoryLoop(1, PIPE);
        connect(OPTIONS, ClientLimits.DEFAULT);

        assertEvents("closed: cannot connect to nowhere:1");
        assertEquals(0, loop.timers());
    }

    @Test
    void a_server_that_refuses_is_quoted() {
        serve(1, PIPE, ALL_FLAGS);
        connect(ClientOptions.use("tape"), ClientLimits.DEFAULT);

        assertEvents(
                "closed: server: server refused export \"tape\": there is only disk"
                        + " (ERR_UNKNOWN)");
        assertEquals("", server.closeReason());
    }

    @Test
    void a_connection_that_breaks_in_the_handshake_is_told_with_what_was_under_way() {
        loop = new MemoryLoop(1, PIPE);
        loop.serve(connection -> new SilentHandler());
        client = NbdClient.connect(loop, ENDPOINT, OPTIONS, ClientLimits.DEFAULT, listener);
        loop.run();
        loop.ends().getFirst().breakDown();
        loop.run();

        assertEvents(
                "closed: server: server closed the connection without an NBD greeting; is it an"
                        + " NBD server, and does it take another client? (Connection reset by"
                        + " peer)");
    }

    @Test
    void a_server_that_says_nothing_is_given_up() {
        loop = new MemoryLoop(1, PIPE);
        loop.serve(connection -> new SilentHandler());
        connect(OPTIONS, ClientLimits.DEFAULT);
        assertEvents();

        loop.pass(TimeUnit.SECONDS.toNanos(10));

        assertEvents("closed: no answer from the NBD server at nowhere:1 within 10000 ms");
        assertTrue(loop.ends().getFirst().isClosed());
    }

    @Test
    void a_client_may_give_up_before_it_is_connected() {
        serve(1, PIPE, ALL_FLAGS);
        client = NbdClient.connect(loop, ENDPOINT, OPTIONS, ClientLimits.DEFAULT, listener);

        client.disconnect();
        loop.run();

        assertEvents("closed: ");
        assertTrue(loop.ends().getFirst().isClosed());
        assertEquals(0, loop.timers());
    }

    private static final class SilentHandler implements ConnectionHandler {
        @Override
        public void onReadable() {}

        @Override
        public void onWritable() {}

        @Override
        public void onFailure(final Throwable cause) {}
    }

    // ---- Probing.

    @Test
    void a_probe_of_a_server_that_says_nothing_comes_to_its_end() {
        loop = new MemoryLoop(1, PIPE);
        loop.serve(connection -> new SilentHandler());
        NbdProbe.list(loop, ENDPOINT, listListener);
        loop.run();
        assertEvents();

        loop.pass(TimeUnit.SECONDS.toNanos(10));

        assertEvents("no answer from the NBD server at nowhere:1 within 10000 ms");
        assertTrue(loop.ends().getFirst().isClosed());
    }

    @Test
    void a_probe_lists_and_leaves() {
        serve(1, 20, ALL_FLAGS);

        NbdProbe.list(loop, ENDPOINT, listListener);
        loop.run();

        assertEvents("[ListedExport[name=disk, description=in memory]]");
        assertTrue(loop.ends().getFirst().isClosed());
        assertEquals("", server.closeReason());
        assertEquals(0, loop.timers());
    }

    @Test
    void a_probe_learns_of_one_export() {
        serve(1, PIPE, ALL_FLAGS);
        final NbdProbe.InfoListener infoListener =
                new NbdProbe.InfoListener() {
                    @Override
                    public void onInfo(final ClientNegotiated negotiated) {
                        events.add(negotiated.export().size() + " " + negotiated.replyStyle());
                    }

                    @Override
                    public void onFailed(final String reason) {
                        events.add(reason);
                    }
                };

        NbdProbe.info(loop, ENDPOINT, ClientOptions.info("disk"), infoListener);
        loop.run();
        assertEvents(SmallServer.SIZE + " EXTENDED");

        NbdProbe.info(loop, ENDPOINT, ClientOptions.info("tape"), infoListener);
        loop.run();
        assertTrue(events.getFirst().contains("there is only disk"), events::toString);
    }
}
