package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.node.Id;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Queue;

/**
 * The hashes of a disk's pieces, as a primary reads them to compare: each is of what the disk holds
 * at the read's place in the stream. A few reads at a time, each with memory of its own; one more
 * is refused. On the group's loop.
 */
final class HashSpace implements AutoCloseable {
    private static final int AT_A_TIME = 8;
    private static final int PIECES_MAX = Nbd.CONTROL_HASHES_MAX / PieceHash.LENGTH;

    private final StreamDisk stream;
    private final Queue<IoBuffer> free = new ArrayDeque<>();
    private int madeCount;
    private PieceHash hash;
    private Id hashKey = Id.NONE;

    HashSpace(final StreamDisk stream) {
        this.stream = stream;
    }

    /**
     * Reads hashes.
     *
     * @param session the attached primary's, which makes the key
     * @param offset in the control space
     * @param length of the hashes, in bytes
     */
    void read(
            final Id session,
            final long offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        if (session.isNone()) {
            completion.onComplete(token, Errno.EPERM);
            return;
        }
        final IoBuffer buffer = take();
        if (buffer == null) {
            completion.onComplete(token, Errno.ENOMEM);
            return;
        }
        final PieceHash keyed = keyed(session);
        final long start =
                (offset - Nbd.CONTROL_HASHES) / PieceHash.LENGTH * PieceHash.PIECE_LENGTH;
        final long end =
                Math.min(
                        stream.length(),
                        start + (long) length / PieceHash.LENGTH * PieceHash.PIECE_LENGTH);
        stream.hashInOrder(
                start,
                (int) (end - start),
                keyed,
                buffer.segment(),
                into,
                position,
                (ignored, errno) -> {
                    free.add(buffer);
                    completion.onComplete(token, errno);
                },
                0);
    }

    private IoBuffer take() {
        final IoBuffer buffer = free.poll();
        if (buffer != null || madeCount == AT_A_TIME) {
            return buffer;
        }
        madeCount++;
        return IoBuffer.reserve(PIECES_MAX * PieceHash.PIECE_LENGTH);
    }

    private PieceHash keyed(final Id session) {
        if (!session.equals(hashKey)) {
            hash = new PieceHash(session);
            hashKey = session;
        }
        return hash;
    }

    @Override
    public void close() {
        free.forEach(IoBuffer::close);
    }
}
