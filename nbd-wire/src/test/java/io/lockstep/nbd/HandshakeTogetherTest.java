package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;

/** {@link ClientHandshake} against {@link ServerHandshake}, however the bytes are split. */
final class HandshakeTogetherTest {
    private final SampleCatalog catalog = new SampleCatalog();
    private final Stream toServer = new Stream();
    private final Stream toClient = new Stream();
    private final ServerHandshake server = new ServerHandshake(catalog);

    private ClientHandshake negotiate(final ClientOptions options, final Random random) {
        final ClientHandshake client = new ClientHandshake(options);
        int seenByClient = 0;
        int seenByServer = 0;
        while (client.state() == ClientHandshake.State.NEGOTIATING) {
            toClient.send(server.output());
            seenByClient = Math.min(toClient.length(), seenByClient + step(random));
            seenByClient -= toClient.receive(seenByClient, client::receive);
            toServer.send(client.output());
            seenByServer = Math.min(toServer.length(), seenByServer + step(random));
            seenByServer -= toServer.receive(seenByServer, server::receive);
            assertTrue(
                    seenByClient + seenByServer > 0
                            || toClient.length() + toServer.length() > 0
                            || !server.output().isEmpty()
                            || client.state() != ClientHandshake.State.NEGOTIATING,
                    "both wait for each other");
        }
        toServer.send(client.output());
        while (toServer.receive(toServer.length(), server::receive) > 0) {
            toClient.send(server.output());
        }
        return client;
    }

    /** Without a source of chance: byte by byte. */
    private static int step(final Random random) {
        return random == null ? 1 : random.nextInt(40);
    }

    private ClientHandshake negotiate(final ClientOptions options) {
        return negotiate(options, null);
    }

    @ParameterizedTest
    @EnumSource
    void both_agree_on_the_style_that_the_client_asks_for(final ReplyStyle style) {
        final ClientHandshake client = negotiate(ClientOptions.use("disk").withReplyStyle(style));

        assertEquals(ClientHandshake.State.TRANSMISSION, client.state());
        assertEquals(ServerHandshake.State.TRANSMISSION, server.state());
        assertEquals(style, client.negotiated().replyStyle());
        assertEquals(style, server.negotiated().replyStyle());
        assertEquals(
                server.negotiated().transmissionFlags(),
                client.negotiated().export().transmissionFlags());
        assertEquals(0, toClient.length() + toServer.length());
    }

    @Test
    void the_client_learns_all_that_the_export_is() {
        final RemoteExport export =
                negotiate(ClientOptions.use(SampleCatalog.SECOND.name())).negotiated().export();

        assertEquals(SampleCatalog.SECOND.name(), export.name());
        assertEquals("", export.description());
        assertEquals(12345 * 512, export.size());
        assertTrue(export.has(Nbd.FLAG_READ_ONLY));
        assertEquals(512, export.blockSizeMin());
        assertEquals(65536, export.blockSizePreferred());
        assertEquals(1 << 20, export.payloadLengthMax());
    }

    @Test
    void the_default_export_gets_its_canonical_name() {
        final RemoteExport export = negotiate(ClientOptions.use("")).negotiated().export();

        assertEquals("disk", export.name());
        assertEquals("the first disk", export.description());
    }

    @Test
    void contexts_are_selected_under_the_servers_numbers() {
        final ClientHandshake client =
                negotiate(
                        ClientOptions.use("disk")
                                .withMetaContexts(
                                        SampleCatalog.QUEUE_CONTEXT, "qemu:dirty-bitmap:b0"));

        assertEquals(
                List.of(new SelectedContext(0, SampleCatalog.QUEUE_CONTEXT)),
                client.negotiated().contexts());
        assertEquals(List.of(SampleCatalog.QUEUE_CONTEXT), server.negotiated().metaContexts());
        assertTrue(client.negotiated().hasContext(SampleCatalog.QUEUE_CONTEXT));
        assertFalse(client.negotiated().hasContext(Nbd.CONTEXT_BASE_ALLOCATION));
        assertTrue(client.negotiated().has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD));
    }

    @Test
    void contexts_are_not_asked_for_in_simple_style() {
        final ClientHandshake client =
                negotiate(
                        ClientOptions.use("disk")
                                .withReplyStyle(ReplyStyle.SIMPLE)
                                .withMetaContexts(Nbd.CONTEXT_BASE_ALLOCATION));

        assertEquals(ClientHandshake.State.TRANSMISSION, client.state());
        assertEquals(List.of(), client.negotiated().contexts());
    }

    @Test
    void an_unknown_export_fails_with_the_servers_sentence_and_a_soft_abort() {
        final ClientHandshake client = negotiate(ClientOptions.use("nothing"));

        assertEquals(ClientHandshake.State.FAILED, client.state());
        assertEquals(
                "server refused export \"nothing\": no export nothing (ERR_UNKNOWN)",
                client.failure());
        assertEquals(ServerHandshake.State.CLOSING, server.state());
        assertEquals("", server.closeReason());
    }

    @Test
    void information_is_had_without_entering_the_export() {
        final ClientHandshake client =
                negotiate(ClientOptions.info("disk").withMetaContexts(Nbd.CONTEXT_BASE_ALLOCATION));

        assertEquals(ClientHandshake.State.ENDED, client.state());
        assertEquals(1 << 20, client.negotiated().export().size());
        assertEquals(
                List.of(new SelectedContext(0, Nbd.CONTEXT_BASE_ALLOCATION)),
                client.negotiated().contexts());
        assertEquals(List.of(), catalog.entered);
        assertEquals(ServerHandshake.State.CLOSING, server.state());
    }

    @Test
    void the_list_has_names_and_descriptions() {
        final ClientHandshake client = negotiate(ClientOptions.list());

        assertEquals(ClientHandshake.State.ENDED, client.state());
        assertEquals(
                List.of(
                        new ListedExport("disk", "the first disk"),
                        new ListedExport(SampleCatalog.SECOND.name(), "")),
                client.exports());
        assertEquals(ServerHandshake.State.CLOSING, server.state());
    }

    @Test
    void a_server_that_shuts_down_is_left_softly() {
        server.shutDown();

        final ClientHandshake client = negotiate(ClientOptions.use("disk"));

        assertEquals(ClientHandshake.State.FAILED, client.state());
        assertEquals(
                "server refused EXTENDED_HEADERS: server is shutting down (ERR_SHUTDOWN)",
                client.failure());
        assertEquals(ServerHandshake.State.CLOSING, server.state());
    }

    static LongStream seeds() {
        return LongStream.range(0, 200);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void splits_of_the_bytes_change_nothing(final long seed) {
        final Random random = new Random(seed);
        final ReplyStyle style = List.of(ReplyStyle.values()).get(random.nextInt(3));
        final String export = random.nextBoolean() ? "disk" : SampleCatalog.SECOND.name();

        final ClientHandshake client =
                negotiate(
                        ClientOptions.use(export)
                                .withReplyStyle(style)
                                .withMetaContexts(Nbd.CONTEXT_BASE_ALLOCATION),
                        random);

        assertEquals(ClientHandshake.State.TRANSMISSION, client.state());
        assertEquals(ServerHandshake.State.TRANSMISSION, server.state());
        assertEquals(server.negotiated().replyStyle(), client.negotiated().replyStyle());
        assertEquals(
                server.negotiated().metaContexts(),
                client.negotiated().contexts().stream().map(SelectedContext::name).toList());
        assertEquals(export, client.negotiated().export().name());
    }

    @ParameterizedTest
    @ValueSource(strings = {"no-namespace", ":leaf", "name\0space:leaf"})
    void a_context_that_cannot_be_asked_for_is_refused_at_once(final String context) {
        final ClientOptions options = ClientOptions.use("disk");

        assertThrows(IllegalArgumentException.class, () -> options.withMetaContexts(context));
    }
}
