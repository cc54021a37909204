package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** One direction of a connection: bytes that were sent and not taken yet, at an odd position. */
final class Stream {
    private static final int FRONT = 3;

    private byte[] bytes = new byte[FRONT];

    /** What a state machine's {@code receive} does. */
    interface Receiver {
        long receive(MemorySegment memory, long position, long limit);
    }

    void send(final byte[] more) {
        final int length = bytes.length;
        bytes = Arrays.copyOf(bytes, length + more.length);
        System.arraycopy(more, 0, bytes, length, more.length);
    }

    void send(final WireWriter output) {
        final byte[] more = new byte[output.length()];
        output.take(MemorySegment.ofArray(more), 0, more.length);
        send(more);
    }

    int length() {
        return bytes.length - FRONT;
    }

    /** Lets the receiver see the first {@code length} bytes, once; answers how many it took. */
    int receive(final int length, final Receiver receiver) {
        // What lies behind the limit must not be looked at: it isn't there.
        final byte[] seen = Arrays.copyOf(bytes, FRONT + length);
        final int taken =
                (int) receiver.receive(MemorySegment.ofArray(seen), FRONT, seen.length) - FRONT;
        final byte[] rest = new byte[bytes.length - taken];
        System.arraycopy(bytes, FRONT + taken, rest, FRONT, rest.length - FRONT);
        bytes = rest;
        return taken;
    }
}
