package io.lockstep.interop;

import com.google.gson.JsonObject;

import io.lockstep.cli.graph.JsonText;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A QMP connection to anybody's socket, over which text goes as somebody typed it. Events are
 * passed over. Used by one thread.
 */
final class QmpLine implements Rig.Ending {
    private final SocketChannel channel;
    private final StringBuilder received = new StringBuilder();

    private QmpLine(final SocketChannel channel) {
        this.channel = channel;
    }

    /** Connects to a socket that is listened on, and negotiates. */
    static QmpLine connect(final Path socket) {
        return connect(UnixDomainSocketAddress.of(socket), "");
    }

    /** The same at any address. */
    static QmpLine connect(final SocketAddress address) {
        return connect(address, "");
    }

    /** The same, to run commands out of band, too. */
    static QmpLine connectOutOfBand(final Path socket) {
        return connect(
                UnixDomainSocketAddress.of(socket), ", 'arguments': { 'enable': [ 'oob' ] }");
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the line
    private static QmpLine connect(final SocketAddress address, final String capabilities) {
        try {
            final SocketChannel channel =
                    address instanceof UnixDomainSocketAddress
                            ? SocketChannel.open(StandardProtocolFamily.UNIX)
                            : SocketChannel.open();
            channel.connect(address);
            final QmpLine line = new QmpLine(channel);
            line.readNoEvent(); // the greeting
            line.expect("{ 'execute': 'qmp_capabilities'" + capabilities + " }", "{\"return\":{}}");
            return line;
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sends what was typed; answers the reply. */
    JsonObject ask(final String typed) {
        send(typed + "\n");
        return next();
    }

    /** Sends text, and waits for nothing. */
    void send(final String text) {
        send(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends bytes, and waits for nothing. */
    void send(final byte[] content) {
        try {
            final ByteBuffer bytes = ByteBuffer.wrap(content);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The next reply. */
    JsonObject next() {
        try {
            return readNoEvent();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The next message, whether it is a reply or an event. */
    JsonObject nextOfAny() {
        try {
            return read();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private JsonObject readNoEvent() throws IOException {
        JsonObject message = read();
        while (message.has("event")) {
            message = read();
        }
        return message;
    }

    private JsonObject read() throws IOException {
        final ByteBuffer bytes = ByteBuffer.allocate(65536);
        int end = received.indexOf("\n");
        while (end < 0) {
            if (channel.read(bytes.clear()) < 0) {
                throw new AssertionError("the other side has closed");
            }
            received.append(StandardCharsets.UTF_8.decode(bytes.flip()));
            end = received.indexOf("\n");
        }
        final String line = received.substring(0, end);
        received.delete(0, end + 1);
        return JsonText.value(line).getAsJsonObject();
    }

    /** The reply must be this. */
    void expect(final String typed, final String reply) {
        final String answer = ask(typed).toString();
        if (!answer.equals(reply)) {
            throw new AssertionError(typed + "\nwas answered\n" + answer + "\nnot\n" + reply);
        }
    }

    /** The command must be done, and answer nothing. */
    void done(final String typed) {
        expect(typed, "{\"return\":{}}");
    }

    /** What the command is refused with. */
    String refusal(final String typed) {
        final JsonObject answer = ask(typed);
        if (!answer.has("error")) {
            throw new AssertionError(typed + "\nshould have been refused, not\n" + answer);
        }
        return answer.getAsJsonObject("error").get("desc").getAsString();
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
