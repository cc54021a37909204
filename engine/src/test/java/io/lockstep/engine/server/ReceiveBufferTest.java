package io.lockstep.engine.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.SplittableRandom;

final class ReceiveBufferTest {
    private static final int MESSAGE_MAX = 200_000;

    /** A message that is pinned: where it lies, and what every byte of it is. */
    private record Pinned(int position, int length, byte value) {}

    /**
     * Messages of a length prefix and equal bytes, received in random pieces and held for a random
     * while: each arrives whole and in order, and what is pinned is never moved or overwritten.
     */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void deliversMessagesInOnePieceAndLeavesPinnedOnesAlone(final long seed) throws IOException {
        final SplittableRandom random = new SplittableRandom(seed);
        final int count = 400;
        final byte[] stream = stream(random, count);
        final ScriptedConnection connection = new ScriptedConnection(random, stream, 300_000);
        final Deque<Pinned> pinned = new ArrayDeque<>();
        int delivered = 0;
        int last = 4;
        try (ReceiveBuffer buffer = new ReceiveBuffer(MESSAGE_MAX)) {
            long wanted = 4;
            while (delivered < count) {
                final int received = buffer.receive(connection, wanted, last);
                assertTrue(received > 0 || !buffer.isFull(wanted) || !pinned.isEmpty(), "stuck");
                int position = buffer.head();
                while (true) {
                    final int available = buffer.tail() - position;
                    wanted = available < 4 ? 4 : 4 + lengthAt(buffer, position);
                    if (available < wanted) {
                        break;
                    }
                    final byte value = (byte) delivered++;
                    final int payload = (int) wanted - 4;
                    verify(buffer, new Pinned(position + 4, payload, value));
                    if (random.nextInt(3) == 0) {
                        buffer.pin();
                        pinned.add(new Pinned(position + 4, payload, value));
                    }
                    last = (int) wanted;
                    position += last;
                }
                buffer.workedOff(position);
                while (!pinned.isEmpty() && (random.nextBoolean() || buffer.isFull(wanted))) {
                    verify(buffer, pinned.remove());
                    buffer.unpin();
                }
                buffer.workedOff(buffer.head());
            }
            assertTrue(connection.isAllReceived());
            assertEquals(count, delivered);
        }
    }

    private static byte[] stream(final SplittableRandom random, final int count) {
        final java.io.ByteArrayOutputStream stream = new java.io.ByteArrayOutputStream();
        final boolean uniform = random.nextBoolean();
        for (int i = 0; i < count; i++) {
            final int length =
                    uniform
                            ? 4096
                            : random.nextInt(random.nextInt(5) == 0 ? MESSAGE_MAX - 4 : 5000);
            stream.writeBytes(java.nio.ByteBuffer.allocate(4).putInt(length).array());
            final byte[] payload = new byte[length];
            java.util.Arrays.fill(payload, (byte) i);
            stream.writeBytes(payload);
        }
        return stream.toByteArray();
    }

    private static int lengthAt(final ReceiveBuffer buffer, final int position) {
        return Integer.reverseBytes(buffer.memory().get(ValueLayout.JAVA_INT_UNALIGNED, position));
    }

    private static void verify(final ReceiveBuffer buffer, final Pinned message) {
        for (int i = 0; i < message.length(); i++) {
            assertEquals(
                    message.value(),
                    buffer.memory().get(ValueLayout.JAVA_BYTE, message.position() + i));
        }
    }
}
