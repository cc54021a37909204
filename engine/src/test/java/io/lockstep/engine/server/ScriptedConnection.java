package io.lockstep.engine.server;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.IoBuffer;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/**
 * A connection for tests: receives given bytes in random pieces, and takes what is sent in random
 * pieces.
 */
final class ScriptedConnection implements Connection {
    private final SplittableRandom random;
    private final byte[] incoming;
    private final int pieceMax;
    private int received;
    private final ByteArrayOutputStream outgoing = new ByteArrayOutputStream();

    ScriptedConnection(final SplittableRandom random, final byte[] incoming, final int pieceMax) {
        this.random = random;
        this.incoming = incoming;
        this.pieceMax = pieceMax;
    }

    byte[] sent() {
        return outgoing.toByteArray();
    }

    boolean isAllReceived() {
        return received == incoming.length;
    }

    @Override
    public int receive(final IoBuffer into, final int position, final int length) {
        final int count =
                Math.min(
                        random.nextInt(pieceMax + 1), Math.min(length, incoming.length - received));
        MemorySegment.copy(
                incoming, received, into.segment(), ValueLayout.JAVA_BYTE, position, count);
        received += count;
        return count;
    }

    @Override
    public int send(final IoBuffer from, final int position, final int length) {
        final int count = Math.min(length, random.nextInt(pieceMax + 1));
        outgoing.writeBytes(from.segment().asSlice(position, count).toArray(ValueLayout.JAVA_BYTE));
        return count;
    }

    @Override
    public void interest(final boolean readable, final boolean writable) {}

    @Override
    public void shutdownOutput() {}

    @Override
    public void close() {}

    @Override
    public String peer() {
        return "script";
    }
}
