package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import io.lockstep.engine.loop.AddressFamilies;
import io.lockstep.engine.loop.UnixSocketPath;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Function;

/**
 * A client of a control socket, or of QEMU's: one command at a time, waiting for each answer.
 * Events are passed over. Used by one thread.
 */
public final class QmpClient implements AutoCloseable {
    private static final int BUFFER_LENGTH = 16 << 10;

    /** Characters of an odd message that an error shows. */
    private static final int SHOWN_LENGTH = 80;

    /** Whom messages are about. */
    private final String server;

    private final SocketChannel channel;
    private final Selector selector;
    private final SelectionKey key;
    private final QmpFramer framer = new QmpFramer();
    private final ByteBuffer received = ByteBuffer.allocate(BUFFER_LENGTH).limit(0);

    /** The other side took the command and refused it. */
    public static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        private final String errorClass;

        /** With the server's error class and sentence. */
        RefusedException(final String errorClass, final String sentence) {
            super(sentence);
            this.errorClass = errorClass;
        }

        /** The class of the error, such as {@code GenericError}. */
        public String errorClass() {
            return errorClass;
        }
    }

    /** There is nobody who answers. */
    public static final class NoAnswerException extends IOException {
        private static final long serialVersionUID = 1L;

        /** With a sentence that names the socket. */
        NoAnswerException(final String sentence) {
            super(sentence);
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // open as long as the client
    private QmpClient(final String server, final SocketChannel channel) throws IOException {
        this.server = server;
        this.channel = channel;
        channel.configureBlocking(false);
        selector = Selector.open();
        key = channel.register(selector, SelectionKey.OP_READ);
    }

    /**
     * Connects, and negotiates.
     *
     * @throws NoAnswerException where nobody listens, or nobody answers in time
     * @throws IOException where it refuses us, or doesn't speak QMP
     */
    public static QmpClient connect(final Path socket, final Duration timeout) throws IOException {
        return connect(
                UnixDomainSocketAddress.of(socket),
                timeout,
                "control socket " + socket + ": the engine",
                e ->
                        "cannot connect to the control socket "
                                + socket
                                + ": "
                                + e.getMessage()
                                + hint(e));
    }

    /**
     * The same to a monitor of somebody else's, at any address. The messages say what it did, and
     * leave it to the caller to name it.
     */
    static QmpClient connectToMonitor(final SocketAddress address, final Duration timeout)
            throws IOException {
        return connect(address, timeout, "it", IOException::getMessage);
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the client
    private static QmpClient connect(
            final SocketAddress address,
            final Duration timeout,
            final String server,
            final Function<IOException, String> nobody)
            throws IOException {
        SocketChannel channel = null;
        QmpClient client = null;
        try {
            channel =
                    address instanceof final InetSocketAddress tcp
                            ? AddressFamilies.open(tcp.getAddress())
                            : SocketChannel.open(StandardProtocolFamily.UNIX);
            if (address instanceof final UnixDomainSocketAddress unix) {
                UnixSocketPath.connect(channel, unix.getPath());
            } else {
                channel.connect(address);
            }
            client = new QmpClient(server, channel);
            client.negotiate(timeout);
            return client;
        } catch (final IOException e) {
            if (client != null) {
                client.close();
            } else if (channel != null) {
                channel.close();
            }
            if (client == null) {
                throw new NoAnswerException(nobody.apply(e));
            }
            throw e;
        }
    }

    private static String hint(final IOException failure) {
        return "Permission denied".equals(failure.getMessage())
                ? "; act as the engine's user or, where the socket's mode says so, its group"
                : "; is the engine running?";
    }

    private void negotiate(final Duration timeout) throws IOException {
        final long deadline = System.nanoTime() + timeout.toNanos();
        // QEMU may tell an event, such as that it runs now, before it greets.
        final JsonObject greeting = receiveNoEvent(deadline);
        if (!greeting.has("QMP")) {
            throw refusalOf(greeting, server + " does not speak QMP, but says " + start(greeting));
        }
        execute("qmp_capabilities", new JsonObject(), timeout);
    }

    /**
     * Runs a command.
     *
     * @return what it answers
     * @throws RefusedException where it was refused; the message is the server's
     * @throws NoAnswerException where no answer came in time
     */
    public JsonElement execute(
            final String command, final JsonObject arguments, final Duration timeout)
            throws IOException {
        final long deadline = System.nanoTime() + timeout.toNanos();
        send(ByteBuffer.wrap(encode(command, arguments)), deadline);
        final JsonObject message = receiveNoEvent(deadline);
        final JsonElement value = message.get("return");
        if (value == null) {
            throw refusalOf(message, server + " answers " + command + " with what makes no sense");
        }
        return value;
    }

    /** With a space where people and other managers put one: what we rehearse is what they send. */
    private static byte[] encode(final String command, final JsonObject arguments) {
        final String tail = arguments.isEmpty() ? "" : ", \"arguments\": " + arguments;
        return ("{\"execute\": " + new JsonPrimitive(command) + tail + "}\r\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    /** The same for a command that has no arguments and answers an object. */
    public JsonObject execute(final String command, final Duration timeout) throws IOException {
        return execute(command, new JsonObject(), timeout).getAsJsonObject();
    }

    private IOException refusalOf(final JsonObject message, final String otherwise) {
        return message.get("error") instanceof final JsonObject error
                        && error.has("desc")
                        && error.has("class")
                ? new RefusedException(
                        error.get("class").getAsString(), error.get("desc").getAsString())
                : new IOException(otherwise);
    }

    private void send(final ByteBuffer bytes, final long deadline) throws IOException {
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                await(SelectionKey.OP_WRITE, deadline);
            }
        }
    }

    /** What a message begins with: enough of it to know who speaks. */
    private static String start(final JsonObject message) {
        final String text = message.toString();
        return text.length() <= SHOWN_LENGTH ? text : text.substring(0, SHOWN_LENGTH) + "...";
    }

    private JsonObject receiveNoEvent(final long deadline) throws IOException {
        JsonObject message = receive(deadline);
        while (message.has("event")) {
            message = receive(deadline);
        }
        return message;
    }

    private JsonObject receive(final long deadline) throws IOException {
        while (true) {
            switch (framer.next(received)) {
                case MESSAGE -> {
                    final JsonElement message;
                    try {
                        message = QmpRequest.parse(framer.text());
                    } catch (final QmpException e) {
                        throw new IOException(server + " does not speak QMP", e);
                    }
                    if (message.isJsonObject()) {
                        return message.getAsJsonObject();
                    }
                }
                case ERROR -> throw new IOException(server + " does not speak QMP");
                case NEED_MORE -> fill(deadline);
            }
        }
    }

    private void fill(final long deadline) throws IOException {
        received.clear();
        int count = channel.read(received);
        while (count == 0) {
            await(SelectionKey.OP_READ, deadline);
            count = channel.read(received);
        }
        received.flip();
        if (count < 0) {
            throw new NoAnswerException(server + " has closed the connection");
        }
    }

    private void await(final int operation, final long deadline) throws IOException {
        final long milliseconds = (deadline - System.nanoTime()) / 1_000_000;
        if (milliseconds <= 0) {
            throw new NoAnswerException(server + " does not answer in time");
        }
        key.interestOps(operation);
        selector.select(milliseconds);
        selector.selectedKeys().clear();
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
