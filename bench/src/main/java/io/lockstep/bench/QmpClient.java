package io.lockstep.bench;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * A manager's end of a QMP socket: one command at a time, events are passed over. Source: QEMU's
 * {@code docs/interop/qmp-spec.txt}.
 */
final class QmpClient implements AutoCloseable {
    private static final long START_SECONDS = 60;

    private final SocketChannel channel;
    private final BufferedReader reader;

    private QmpClient(final SocketChannel channel) {
        this.channel = channel;
        reader =
                new BufferedReader(
                        new InputStreamReader(
                                Channels.newInputStream(channel), StandardCharsets.UTF_8));
    }

    /** Waits until a process listens on its socket, and connects. */
    static QmpClient connect(final Path socket, final ChildProcess process)
            throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (true) {
            try {
                return connect(socket);
            } catch (final SocketException e) {
                if (System.nanoTime() > deadline || !process.isRunning()) {
                    throw process.failure("did not start");
                }
                Thread.sleep(20);
            }
        }
    }

    /** Connects, and leaves the negotiation behind. */
    private static QmpClient connect(final Path socket) throws IOException {
        final SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        boolean connected = false;
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            final QmpClient client = new QmpClient(channel);
            client.receive(); // the greeting
            client.execute("qmp_capabilities");
            connected = true;
            return client;
        } finally {
            if (!connected) {
                channel.close();
            }
        }
    }

    /** Executes a command without arguments. */
    JsonElement execute(final String command) throws IOException {
        return execute(command, "{}");
    }

    /**
     * Executes a command.
     *
     * @param argumentsText its arguments, as lenient JSON: single quotes do
     * @return what it returned
     * @throws IOException where it failed, with its description
     */
    JsonElement execute(final String command, final String argumentsText) throws IOException {
        final JsonObject message = new JsonObject();
        message.addProperty("execute", command);
        message.add("arguments", JsonParser.parseString(argumentsText));
        final ByteBuffer bytes = ByteBuffer.wrap((message + "\n").getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
        while (true) {
            final JsonObject answer = receive();
            if (answer.has("return")) {
                return answer.get("return");
            }
            if (answer.has("error")) {
                throw new IOException(
                        command
                                + " failed: "
                                + answer.getAsJsonObject("error").get("desc").getAsString());
            }
        }
    }

    private JsonObject receive() throws IOException {
        final String line = reader.readLine();
        if (line == null) {
            throw new IOException("the control socket was closed");
        }
        return JsonParser.parseString(line).getAsJsonObject();
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (final IOException e) {
            // Nothing is lost with it.
        }
    }
}
