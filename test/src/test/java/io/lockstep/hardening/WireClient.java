package io.lockstep.hardening;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A client without manners: it sends the bytes that it is told to send, and reads with a deadline,
 * so that a server which hangs is a failed test. Used by one thread.
 */
final class WireClient implements AutoCloseable {
    static final Duration DEADLINE = Duration.ofSeconds(10);

    private static final int CHUNK = 256 << 10;

    private final SocketChannel channel;
    private final ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK);
    private final ByteBuffer outgoing = ByteBuffer.allocateDirect(CHUNK);
    private byte[] inbox = new byte[CHUNK];
    private int head;
    private int tail;
    private boolean ended;
    private ReplyStyle style = ReplyStyle.SIMPLE;

    private WireClient(final SocketChannel channel) {
        this.channel = channel;
    }

    /** Connects, and says and reads nothing. */
    static WireClient connect(final Endpoint endpoint) throws IOException {
        final SocketChannel channel = open(endpoint);
        channel.configureBlocking(false);
        return new WireClient(channel);
    }

    /** A bare connection, for crowds. */
    static SocketChannel open(final Endpoint endpoint) throws IOException {
        return switch (endpoint) {
            case Endpoint.Unix(java.nio.file.Path path) ->
                    SocketChannel.open(UnixDomainSocketAddress.of(path));
            case Endpoint.Tcp(String host, int port) -> {
                final SocketChannel channel =
                        SocketChannel.open(
                                new InetSocketAddress(InetAddress.getByName(host), port));
                channel.setOption(java.net.StandardSocketOptions.TCP_NODELAY, true);
                yield channel;
            }
        };
    }

    /** Connects and goes through the handshake; the next thing to send is a request. */
    static WireClient enter(final Endpoint endpoint, final ReplyStyle style, final String export)
            throws IOException {
        final WireClient client = connect(endpoint);
        client.readGreeting();
        client.send(Messages.handshake(style, export));
        client.readUntilGo();
        client.style = style;
        return client;
    }

    /** Reads replies to options up to the ACK of GO. */
    void readUntilGo() throws IOException {
        OptionReply reply = readOptionReply();
        while (!(reply.option() == Nbd.OPT_GO && reply.type() == Nbd.REP_ACK)) {
            assertTrue(reply.type() > 0, () -> "handshake was refused");
            reply = readOptionReply();
        }
    }

    void style(final ReplyStyle newStyle) {
        style = newStyle;
    }

    // ---- Sending.

    /** Sends all, and takes in what comes meanwhile. */
    void send(final Bytes bytes) throws IOException {
        final ByteBuffer all = ByteBuffer.wrap(bytes.toArray());
        final Patience patience = new Patience(DEADLINE);
        while (all.hasRemaining()) {
            // Portions, as the JDK keeps as much memory of its own as the longest write has.
            final int length = Math.min(all.remaining(), outgoing.capacity());
            outgoing.clear().put(all.slice(all.position(), length)).flip();
            final int sent = channel.write(outgoing);
            all.position(all.position() + sent);
            if (sent == 0 && !fill()) {
                patience.pauseOrFail("the server takes no more");
            }
        }
    }

    /** Sends one byte at a time. */
    void trickle(final Bytes bytes) throws IOException {
        for (final byte value : bytes.toArray()) {
            send(Bytes.of(value));
        }
    }

    /**
     * Sends as often as the server takes it, and reads nothing.
     *
     * @param limit stops when nothing was taken for so long
     * @return how many bytes were taken
     */
    long sendUntilBlocked(final Bytes bytes, final int times, final Duration limit)
            throws IOException {
        final ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length()).put(bytes.toArray());
        final Patience patience = new Patience(limit);
        long sent = 0;
        for (int i = 0; i < times; i++) {
            buffer.flip();
            while (buffer.hasRemaining()) {
                final int count = channel.write(buffer);
                sent += count;
                if (count > 0) {
                    patience.renew(limit);
                } else if (!patience.pause()) {
                    return sent;
                }
            }
        }
        return sent;
    }

    void shutdownOutput() throws IOException {
        channel.shutdownOutput();
    }

    // ---- Receiving.

    /** Exactly so many bytes. */
    ByteBuffer receive(final int length) throws IOException {
        final Patience patience = new Patience(DEADLINE);
        while (tail - head < length) {
            if (!fill()) {
                if (ended) {
                    fail("connection ended after " + (tail - head) + " of " + length + " bytes");
                }
                patience.pauseOrFail("only " + (tail - head) + " of " + length + " bytes came");
            }
        }
        final ByteBuffer result = ByteBuffer.wrap(inbox, head, length).slice();
        head += length;
        return result;
    }

    /** All that comes until the server closes the connection. */
    byte[] receiveUntilClosed() throws IOException {
        return receiveUntilClosed(DEADLINE);
    }

    byte[] receiveUntilClosed(final Duration limit) throws IOException {
        final Patience patience = new Patience(limit);
        while (!ended) {
            if (!fill() && !ended) {
                patience.pauseOrFail("the server did not close the connection");
            }
        }
        final byte[] result = Arrays.copyOfRange(inbox, head, tail);
        head = tail;
        return result;
    }

    /** The server closes the connection and says no more. */
    void assertClosed() throws IOException {
        assertEquals(0, receiveUntilClosed().length, "bytes before the connection was closed");
    }

    /** Nothing comes for a while, and the connection stands. */
    void assertSilent() throws IOException {
        final Patience patience = new Patience(Duration.ofMillis(30));
        while (patience.pause()) {
            fill();
        }
        assertEquals(0, tail - head, "bytes where none were due");
        assertTrue(!ended, "connection was closed");
    }

    private boolean fill() throws IOException {
        if (ended) {
            return false;
        }
        chunk.clear();
        final int count;
        try {
            count = channel.read(chunk);
        } catch (final SocketException reset) {
            ended = true;
            return false;
        } catch (final IOException reset) {
            if (!String.valueOf(reset.getMessage()).contains("reset")) {
                throw reset;
            }
            ended = true;
            return false;
        }
        if (count < 0) {
            ended = true;
            return false;
        }
        if (tail + count > inbox.length) {
            final int length = tail - head;
            final byte[] grown =
                    length + count > inbox.length / 2 ? new byte[inbox.length * 2] : inbox;
            System.arraycopy(inbox, head, grown, 0, length);
            inbox = grown;
            head = 0;
            tail = length;
        }
        chunk.flip().get(inbox, tail, count);
        tail += count;
        return count > 0;
    }

    // ---- Messages.

    void readGreeting() throws IOException {
        final ByteBuffer greeting = receive(18);
        assertEquals(Nbd.INIT_PASSWD, greeting.getLong());
        assertEquals(Nbd.OPTS_MAGIC, greeting.getLong());
        assertEquals(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES, greeting.getShort());
    }

    /** A reply to an option. */
    record OptionReply(int option, int type, ByteBuffer data) {
        boolean isFinal() {
            return type == Nbd.REP_ACK || type < 0;
        }

        String text() {
            return StandardCharsets.UTF_8.decode(data.duplicate()).toString();
        }
    }

    OptionReply readOptionReply() throws IOException {
        final ByteBuffer header = receive(20);
        assertEquals(Nbd.REP_MAGIC, header.getLong(), "magic of an option reply");
        final int option = header.getInt();
        final int type = header.getInt();
        final int length = header.getInt();
        assertTrue(length >= 0 && length <= 1 << 16, () -> "reply data of " + length + " bytes");
        final byte[] data = new byte[length];
        receive(length).get(data);
        if (type < 0) {
            assertTrue(length <= Nbd.STRING_LENGTH_MAX, () -> "error text of " + length + " bytes");
        }
        return new OptionReply(option, type, ByteBuffer.wrap(data));
    }

    /** All replies to one option; the last of them is its end. */
    List<OptionReply> readOptionReplies(final int option) throws IOException {
        final List<OptionReply> replies = new ArrayList<>();
        do {
            replies.add(readOptionReply());
            assertEquals(option, replies.getLast().option(), "option that a reply belongs to");
        } while (!replies.getLast().isFinal());
        return replies;
    }

    /**
     * A whole reply to a request, put together from its chunks where it has any.
     *
     * @param error 0 or the error value
     * @param data a read's data, with holes filled in; or the content of block status chunks
     */
    record Reply(long cookie, int error, ByteBuffer data) {}

    /** Whose reply comes next; it is still to be read. */
    long nextCookie() throws IOException {
        final long result = receive(16).getLong(8); // the same place in every style
        head -= 16;
        return result;
    }

    /** Reads one reply to something that is no read. */
    Reply readReply() throws IOException {
        return readReply(0, 0);
    }

    /**
     * Reads one reply, whose chunks must not be mixed with others'.
     *
     * @param offset of the read that it answers
     * @param length of the read that it answers
     */
    Reply readReply(final long offset, final int length) throws IOException {
        if (style == ReplyStyle.SIMPLE) {
            return simpleReply(receive(16), length);
        }
        final byte[] data = new byte[length];
        final Bytes status = new Bytes();
        long cookie = 0;
        int filled = 0;
        int error = 0;
        boolean first = true;
        while (true) {
            final int found = receive(4).getInt();
            if (first && style == ReplyStyle.STRUCTURED && found == Nbd.SIMPLE_REPLY_MAGIC) {
                head -= 4;
                return simpleReply(receive(16), 0);
            }
            final boolean extended = style == ReplyStyle.EXTENDED;
            assertEquals(
                    extended ? Nbd.EXTENDED_REPLY_MAGIC : Nbd.STRUCTURED_REPLY_MAGIC,
                    found,
                    "magic of a reply");
            final ByteBuffer header = receive(extended ? 28 : 16);
            final int flags = header.getShort();
            final int type = Short.toUnsignedInt(header.getShort());
            final long chunkCookie = header.getLong();
            assertTrue(first || cookie == chunkCookie, "chunks of two replies are mixed");
            cookie = chunkCookie;
            if (extended) {
                header.getLong();
            }
            final long size = extended ? header.getLong() : header.getInt();
            assertTrue(size >= 0 && size <= length + (64L << 10), () -> "chunk of " + size);
            final ByteBuffer payload = receive((int) size);
            switch (type) {
                case Nbd.REPLY_TYPE_NONE -> assertEquals(0, size);
                case Nbd.REPLY_TYPE_OFFSET_DATA -> {
                    final int at = (int) (payload.getLong() - offset);
                    filled += payload.remaining();
                    payload.get(data, at, payload.remaining());
                }
                case Nbd.REPLY_TYPE_OFFSET_HOLE -> {
                    payload.getLong();
                    filled += payload.getInt();
                }
                case Nbd.REPLY_TYPE_BLOCK_STATUS, Nbd.REPLY_TYPE_BLOCK_STATUS_EXT -> {
                    final byte[] copy = new byte[payload.remaining()];
                    payload.get(copy);
                    status.put(copy);
                }
                default -> {
                    assertTrue((type & Nbd.REPLY_TYPE_FLAG_ERROR) != 0, () -> "chunk type " + type);
                    error = payload.getInt();
                    assertEquals(payload.remaining() - 2, payload.getShort(), "text length");
                }
            }
            first = false;
            if ((flags & Nbd.REPLY_FLAG_DONE) != 0) {
                break;
            }
        }
        if (error == 0) {
            assertEquals(length, filled, "bytes that the chunks of a read add up to");
        }
        return new Reply(cookie, error, ByteBuffer.wrap(length > 0 ? data : status.toArray()));
    }

    private Reply simpleReply(final ByteBuffer header, final int length) throws IOException {
        assertEquals(Nbd.SIMPLE_REPLY_MAGIC, header.getInt(), "magic of a reply");
        final int error = header.getInt();
        final long cookie = header.getLong();
        final byte[] data = new byte[error == 0 ? length : 0];
        receive(data.length).get(data);
        return new Reply(cookie, error, ByteBuffer.wrap(data));
    }

    /** Reads a range, and expects it to succeed. */
    byte[] read(final long cookie, final long offset, final int length) throws IOException {
        send(Messages.read(style, cookie, offset, length));
        final Reply reply = readReply(offset, length);
        assertEquals(cookie, reply.cookie());
        assertEquals(0, reply.error());
        return reply.data().array();
    }

    /** Writes a range, and expects it to succeed. */
    void write(final long cookie, final long offset, final Bytes payload) throws IOException {
        send(Messages.write(style, cookie, offset, payload));
        final Reply reply = readReply();
        assertEquals(cookie, reply.cookie());
        assertEquals(0, reply.error());
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
