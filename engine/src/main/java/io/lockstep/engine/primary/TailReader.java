package io.lockstep.engine.primary;

import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.IntConsumer;

/**
 * Reads what a former primary has noted of a disk that it changed, from its control space, part by
 * part. On the link's loop; it ends with the connection.
 */
final class TailReader {
    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED;

    private final NbdClient client;
    private final long words;
    private final int disk;
    private final LinkOwner owner;
    private final IntConsumer onRefused;
    private final MemorySegment memory =
            Arena.ofAuto().allocate(Nbd.CONTROL_CHANGES_MAX, Long.BYTES);
    private long next;

    private TailReader(
            final int disk,
            final NbdClient client,
            final long diskLength,
            final LinkOwner owner,
            final IntConsumer onRefused) {
        this.disk = disk;
        this.client = client;
        this.owner = owner;
        this.onRefused = onRefused;
        final long unit = (long) Long.SIZE * Nbd.CONTROL_BLOCK_LENGTH;
        words = (diskLength + unit - 1) / unit;
    }

    /**
     * Begins to read.
     *
     * @param owner is told of what is noted, and of the end
     * @param onRefused the secondary does not tell, or the connection ends
     * @return whether the connection takes the first request
     */
    static boolean read(
            final int disk,
            final NbdClient client,
            final long diskLength,
            final LinkOwner owner,
            final IntConsumer onRefused) {
        return new TailReader(disk, client, diskLength, owner, onRefused).read();
    }

    private boolean read() {
        if (next == words) {
            owner.onTailEnd(disk);
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
            onRefused.accept(errno);
            return;
        }
        final long[] bits = new long[count];
        long all = 0;
        for (int i = 0; i < count; i++) {
            bits[i] = memory.get(WORD, (long) i * Long.BYTES);
            all |= bits[i];
        }
        if (all != 0) {
            owner.onTail(disk, next * Long.SIZE, bits);
        }
        next += count;
        if (read()) {
            client.send();
        } else {
            onRefused.accept(Errno.EAGAIN);
        }
    }
}
