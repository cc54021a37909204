package io.lockstep.hardening;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A client has ended, and the loop that has its connection was not told yet: whoever asks must find
 * it gone all the same.
 */
final class EndedClientTest {
    private static final String EXPORT = FuzzedExports.DEFAULT;

    private final List<String> problems = new ArrayList<>();
    private final ConnectionLimit limit = new ConnectionLimit(1);
    private final FuzzedConnection.Loop loop = new FuzzedConnection.Loop();
    private final FuzzedConnection.Loop otherLoop = new FuzzedConnection.Loop();
    private final NbdServer server = server(loop);
    private final NbdServer otherServer = server(otherLoop);

    private NbdServer server(final FuzzedConnection.Loop own) {
        return new NbdServer(
                own,
                List.of(ServedExport.of(new FuzzedDisk(0), "d")),
                limit,
                new ServerEvents() {
                    @Override
                    public void onDiskError(final String sentence) {
                        problems.add(sentence);
                    }

                    @Override
                    public void onClientProblem(final String peer, final String sentence) {
                        problems.add(sentence);
                    }
                });
    }

    private static Socket enter(final NbdServer at) {
        final Socket socket = new Socket();
        socket.stream = Messages.handshake(ReplyStyle.SIMPLE, EXPORT).toArray();
        socket.handler = at.connect(socket);
        socket.handler.onReadable();
        return socket;
    }

    private void runLoops() {
        boolean ran = true;
        while (ran) {
            ran = loop.runTasks() || otherLoop.runTasks();
        }
    }

    @Test
    void anExportWhoseClientHasEndedIsNotInUse() {
        final Socket client = enter(server);
        assertEquals(1, server.clientsOf(EXPORT));
        client.hasEnded = true;
        assertEquals(0, server.clientsOf(EXPORT));
        assertTrue(client.isClosed);
    }

    /** It may take its time to close its socket: it will ask for nothing any more. */
    @Test
    void anExportWhoseClientHasSaidGoodbyeIsNotInUse() {
        final Socket client = enter(server);
        client.stream = Messages.request(0, Nbd.CMD_DISC, 1, 0, 0).toArray();
        client.received = 0;
        assertEquals(0, server.clientsOf(EXPORT));
        assertEquals(0, limit.count());
    }

    @Test
    void aClientThatIsThereIsCounted() {
        enter(server);
        assertEquals(1, server.clientsOf(EXPORT));
        assertEquals(1, limit.count());
    }

    /** On another loop, where nobody has looked since. */
    @Test
    void theNextClientTakesThePlaceOfOneThatHasEnded() {
        final Socket first = enter(server);
        first.hasEnded = true;
        final Socket second = enter(otherServer);
        assertFalse(second.isReadable, "nothing is taken of it before it is known");
        runLoops();
        assertEquals(1, otherServer.clientsOf(EXPORT));
        assertTrue(first.isClosed);
        assertTrue(second.isReadable);
        assertEquals(1, limit.count());
        assertEquals(List.of(), problems);
    }

    @Test
    void oneTooManyIsRefusedAndMayAskAgain() {
        final Socket first = enter(server);
        final Socket second = enter(otherServer);
        runLoops();
        assertTrue(second.sent().contains("too many connections; the limit is 1"), second::sent);
        assertEquals(0, otherServer.clientsOf(EXPORT));
        first.hasEnded = true;
        second.stream = Messages.go(EXPORT).toArray();
        second.received = 0;
        second.handler.onReadable();
        runLoops();
        assertEquals(1, otherServer.clientsOf(EXPORT));
    }

    /** A client that has sent something, and may have ended. */
    private static final class Socket implements Connection {
        private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
        private ConnectionHandler handler;
        private byte[] stream = {};
        private int received;
        private boolean hasEnded;
        private boolean isReadable;
        private boolean isClosed;

        private String sent() {
            return sent.toString(StandardCharsets.ISO_8859_1);
        }

        @Override
        public int receive(final IoBuffer into, final int position, final int length)
                throws IOException {
            if (isClosed) {
                throw new IOException("closed");
            }
            final int count = Math.min(length, stream.length - received);
            if (count == 0) {
                return hasEnded ? -1 : 0;
            }
            into.view(position, length).put(stream, received, count);
            received += count;
            return count;
        }

        @Override
        public int send(final IoBuffer from, final int position, final int length) {
            sent.writeBytes(
                    from.segment().asSlice(position, length).toArray(ValueLayout.JAVA_BYTE));
            return length;
        }

        @Override
        public void interest(final boolean readable, final boolean writable) {
            isReadable = readable;
        }

        @Override
        public void shutdownOutput() {}

        @Override
        public void close() {
            isClosed = true;
        }

        @Override
        public String peer() {
            return "test";
        }
    }
}
