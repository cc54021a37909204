package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;

/** What a server may say before it is asked. The rest is tested against the servers. */
final class QmpClientTest {
    private static final Duration ANSWER_MAX = Duration.ofSeconds(30);
    private static final String GREETING = "{\"QMP\": {\"capabilities\": []}}\r\n";
    private static final String RESUME = "{\"event\": \"RESUME\"}\r\n";

    @TempDir private Path folder;

    /** A server that says all of this to whoever connects, whatever is asked. */
    private ServerSocketChannel server(final Path socket, final String words) throws IOException {
        final ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        Thread.ofPlatform()
                .daemon()
                .start(
                        () -> {
                            try (SocketChannel client = server.accept()) {
                                client.write(
                                        ByteBuffer.wrap(words.getBytes(StandardCharsets.UTF_8)));
                                final ByteBuffer asked = ByteBuffer.allocate(4096);
                                while (client.read(asked.clear()) >= 0) {}
                            } catch (final IOException e) {
                                throw new AssertionError(e);
                            }
                        });
        return server;
    }

    /** A QEMU that starts tells that it runs, and whoever is connected by then hears it first. */
    @Test
    void anEventBeforeTheGreetingIsPassedOver() throws IOException {
        final Path socket = folder.resolve("qmp");
        final String words =
                RESUME + GREETING + RESUME + "{\"return\": {}}\r\n{\"return\": {\"status\": 1}}";
        try (ServerSocketChannel _ = server(socket, words);
                QmpClient client = QmpClient.connect(socket, ANSWER_MAX)) {
            assertEquals(1, client.execute("query-status", ANSWER_MAX).get("status").getAsInt());
        }
    }

    @Test
    void anotherGreetingIsShown() throws IOException {
        final Path socket = folder.resolve("qmp");
        try (ServerSocketChannel _ = server(socket, "{\"hello\": \"" + "x".repeat(500) + "\"}")) {
            final IOException refused =
                    assertThrows(IOException.class, () -> QmpClient.connect(socket, ANSWER_MAX));
            assertTrue(
                    refused.getMessage()
                            .matches(".*does not speak QMP.*\"hello\":\"x{10,80}\\.\\.\\."),
                    refused.getMessage());
        }
    }
}
