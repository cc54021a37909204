package io.lockstep.engine.primary;

import io.lockstep.engine.client.NbdClient;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Reads what a former primary has noted of a disk that it changed, from its control space, part by
 * part. On the link's loop; it ends with the connection.
 */
final class TailReader {
    /** Hears of it, on the link's loop. */
    interface Owner {
        /** There are bits: of 64 blocks each, the lowest first, from a block on. */
        void onBits(long firstBlock, long[] bits);

        /** That was all. */
        void onEnd();

        /** The secondary has refused to tell. */
        void onRefused(int errno);
    }

    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED;

    private final NbdClient client;
    private final long words;
    private final Owner owner;
    private final MemorySegment memory =
            Arena.ofAuto().allocate(Nbd.CONTROL_CHANGES_MAX, Long.BYTES);
    private long next;

    TailReader(final NbdClient client, final long diskLength, final Owner owner) {
        this.client = client;
        this.owner = owner;
        final long unit = (long) Long.SIZE * Nbd.CONTROL_BLOCK_LENGTH;
        words = (diskLength + unit - 1) / unit;
    }

    /** Reads the next part; answers whether the connection takes it now. */
    boolean read() {
        if (next == words) {
            owner.onEnd();
            return true;
        }
        final int count = (int) Math.min(words - next, Nbd.CONTROL_CHANGES_MAX / Long.BYTES);
        return client.readControl(
                Nbd.CONTROL_CHANGES + next * Long.BYTES,
                count * Long.BYTES,
                memory,
                0,
                (token, errno) -> onRead(count, errno),
                0);
    }

    private void onRead(final int count, final int errno) {
        if (errno != 0) {
            owner.onRefused(errno);
            return;
        }
        final long[] bits = new long[count];
        long all = 0;
        for (int i = 0; i < count; i++) {
            bits[i] = memory.get(WORD, (long) i * Long.BYTES);
            all |= bits[i];
        }
        if (all != 0) {
            owner.onBits(next * Long.SIZE, bits);
        }
        next += count;
        read();
        client.send();
    }
}
