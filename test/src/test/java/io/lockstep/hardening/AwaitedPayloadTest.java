package io.lockstep.hardening;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.ArrayList;
import java.util.List;

/** What a session says to a client that has sent a part of a request. */
final class AwaitedPayloadTest {
    private static final int PAYLOAD = 16 * FuzzedDisk.SECTOR;

    private final FuzzedConnection.Loop loop = new FuzzedConnection.Loop();
    private final List<String> problems = new ArrayList<>();
    private final Socket socket = new Socket();

    /** Each style has its way to a payload: see the lengths of their headers. */
    @ParameterizedTest
    @EnumSource(ReplyStyle.class)
    void aPartIsAcknowledgedWhileTheRestIsAwaited(final ReplyStyle style) {
        final NbdServer server =
                new NbdServer(
                        loop,
                        List.of(ServedExport.of(new FuzzedDisk(0), "d")),
                        new ConnectionLimit(1),
                        new Problems());
        final ConnectionHandler handler = server.connect(socket);
        final Bytes write = Messages.write(style, 1, 0, new Bytes().zeroes(PAYLOAD));
        final int length = write.length();
        socket.stream = Messages.handshake(style, FuzzedExports.DEFAULT).put(write).toArray();

        come(handler, socket.stream.length - length);
        assertEquals(0, socket.acknowledged, "nothing is awaited between requests");
        come(handler, 10);
        assertEquals(1, socket.acknowledged, "a part of a header");
        come(handler, length - 10 - 81);
        assertEquals(2, socket.acknowledged, "the most of a payload");
        final int sentBefore = socket.sent;
        come(handler, 81);
        assertEquals(2, socket.acknowledged, "the reply says it");
        assertFalse(socket.sent == sentBefore, "a reply");
        assertEquals(List.of(), problems);
    }

    private void come(final ConnectionHandler handler, final int count) {
        socket.available += count;
        handler.onReadable();
        loop.runTasks();
    }

    /** As much as the test says has come. */
    private static final class Socket implements Connection {
        private byte[] stream = {};
        private int available;
        private int received;
        private int acknowledged;
        private int sent;

        @Override
        public int receive(final IoBuffer into, final int position, final int length) {
            final int count = Math.min(length, available - received);
            into.view(position, length).put(stream, received, count);
            received += count;
            return count;
        }

        @Override
        public void acknowledge() {
            acknowledged++;
        }

        @Override
        public int send(final IoBuffer from, final int position, final int length) {
            sent += length;
            return length;
        }

        @Override
        public void interest(final boolean readable, final boolean writable) {}

        @Override
        public void shutdownOutput() {}

        @Override
        public void close() {}

        @Override
        public String peer() {
            return "test";
        }
    }

    private final class Problems implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            problems.add(sentence);
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            problems.add(sentence);
        }
    }
}
