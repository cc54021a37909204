package io.lockstep.engine.primary;

import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.memory.IoBuffer;

/**
 * What is forwarded, in the order in which it holds: a ring of frames, and chunks of bytes for the
 * payloads of those that write. Before each payload lies the room for its NBD header, so that
 * frames that are neighbours go over the wire as they lie here.
 *
 * <p>A payload takes its place when its frame is claimed, or before: then it is received there, and
 * its frame is claimed when it is whole. So a guest that stands still in the middle of a payload
 * holds up no frame, and no more of the log than the chunk in which its place lies. A chunk is used
 * again when nothing in it is left.
 *
 * <p>The guest's loop claims frames and decides them: done, or failed on the local disk. The link's
 * loop takes those that are decided, in order, and releases them when the secondary has answered.
 * They meet in two positions, which only grow and which one of them writes and the other reads:
 * {@link #decided} and {@link #released}. What a frame says is written before it is decided and is
 * not changed until it is released. No locks, no allocation. Source: the counters of Aeron's logs.
 *
 * <p>A position is moved first, and then it is seen whether the other side has to be woken. The
 * other side says that it sleeps, and then looks at the position. Both stores must be seen before
 * what is loaded behind them, or a wake-up is lost: hence they are volatile, not merely ordered.
 */
final class ForwardLog implements AutoCloseable {
    /** What a frame does. */
    enum Kind {
        WRITE,
        ZERO,
        FLUSH,
        /** What a range holds, to be compared: its payload are the hashes of its pieces. */
        HASH,
        /** That a range of a shared disk will be overwritten. */
        ANNOUNCE,
        /** The end of an epoch. */
        SEAL
    }

    /** Room for a header before each payload, in bytes: of a compact request. */
    static final int HEADER_ROOM = 28;

    /** There is a frame for so many bytes of the log, so that short writes fill it, too. */
    private static final int BYTES_PER_FRAME = 1 << 10;

    /** What takes a frame and no bytes, such as a zero, needs some in the smallest log. */
    private static final int FRAMES_MIN = 1 << 14;

    /** Chunks of the log; a power of two. */
    private static final int CHUNKS = 8;

    private static final byte PENDING = 0;
    private static final byte DONE = 1;
    private static final byte FAILED = 2;

    private final IoBuffer buffer;
    private final IoBuffer landing;
    private final int capacity;
    private final int chunkLength;
    private final Position decided = new Position();
    private final Position released = new Position();

    // By frame; what a log keeps beside its payloads is 37 bytes a frame, 3.6 % of its length.
    private final Kind[] kinds;
    private final short[] disks;
    private final long[] offsets;
    private final int[] lengths;
    private final int[] flags;
    private final long[] times;
    private final byte[] states;

    /** Where the room for a write's header lies, before its payload. */
    private final int[] starts;

    // The guest's loop's own.
    private long appended;

    /** Frames before this one have given their bytes back. */
    private long reclaimed;

    /** How many places are taken in each chunk. */
    private final int[] places = new int[CHUNKS];

    private final int[] freeChunks = new int[CHUNKS];
    private int freeCount;

    /** The chunk in which places are taken, and how much of it is. */
    private int chunk;

    private int chunkTail;
    private long usedLength;

    /** Bytes that were ever given back. */
    private long releasedLength;

    /**
     * An empty log.
     *
     * @param capacity for payloads, in bytes; a power of two of at least 64 KiB
     */
    ForwardLog(final int capacity) {
        if (Integer.bitCount(capacity) != 1 || capacity < 1 << 16) {
            throw new IllegalArgumentException(
                    "the log's length must be a power of two of at least 64 KiB: " + capacity);
        }
        this.capacity = capacity;
        chunkLength = capacity / CHUNKS;
        for (int i = 1; i < CHUNKS; i++) {
            freeChunks[freeCount++] = i;
        }
        final int frames = Math.max(FRAMES_MIN, capacity / BYTES_PER_FRAME);
        kinds = new Kind[frames];
        disks = new short[frames];
        offsets = new long[frames];
        lengths = new int[frames];
        flags = new int[frames];
        times = new long[frames];
        states = new byte[frames];
        starts = new int[frames];
        buffer = IoBuffer.reserveSendable(capacity);
        landing = buffer.twin();
    }

    /** The memory of the payloads, for the link's loop to send from. */
    IoBuffer memory() {
        return buffer;
    }

    /** The same memory, for the guest's loop to receive into. */
    IoBuffer landing() {
        return landing;
    }

    /** Bytes that there are for payloads. */
    int capacity() {
        return capacity;
    }

    /** Frames at a time; a power of two. */
    int frames() {
        return kinds.length;
    }

    /** The longest payload that a frame takes, in bytes: longer writes are several frames. */
    int payloadLengthMax() {
        return Math.min(4 << 20, chunkLength / 2);
    }

    // ---- The guest's loop.

    /** Whether so many frames without payload can be claimed. */
    boolean hasFrames(final int count) {
        reclaim();
        return frames() - (appended - reclaimed) >= count;
    }

    /**
     * Claims the next frame.
     *
     * @param length of what it changes, and, of a write, of its payload; less than 2 GiB
     * @return its number, or -1 where the log is full
     */
    long claim(
            final Kind kind,
            final int disk,
            final long offset,
            final long length,
            final int frameFlags,
            final long timeNanos) {
        if (!hasFrames(1)) {
            return -1;
        }
        int start = 0;
        if (hasPayload(kind)) {
            start = takePlace(payloadLength(kind, length));
            if (start < 0) {
                return -1;
            }
        }
        return append(kind, disk, offset, length, frameFlags, timeNanos, start);
    }

    /**
     * Takes a place for a payload that is still to come; only while much of the log is free, as
     * nobody knows when it will be used.
     *
     * @return the payload's position in the {@link #memory}, or -1
     */
    int reserve(final int length) {
        reclaim();
        final int start = freeCount < CHUNKS / 2 ? -1 : takePlace(length);
        return start < 0 ? -1 : start + HEADER_ROOM;
    }

    /** Gives a reserved place back that will not be used. */
    void cancel(final int payloadPosition, final long length) {
        givePlaceBack(payloadPosition - HEADER_ROOM, length);
    }

    /** Like {@link #claim}, for a write whose payload lies in a reserved place. */
    long claimReserved(
            final int disk,
            final long offset,
            final long length,
            final long timeNanos,
            final int payloadPosition) {
        return hasFrames(1)
                ? append(
                        Kind.WRITE,
                        disk,
                        offset,
                        length,
                        0,
                        timeNanos,
                        payloadPosition - HEADER_ROOM)
                : -1;
    }

    private long append(
            final Kind kind,
            final int disk,
            final long offset,
            final long length,
            final int frameFlags,
            final long timeNanos,
            final int start) {
        final int index = index(appended);
        kinds[index] = kind;
        disks[index] = (short) disk;
        offsets[index] = offset;
        lengths[index] = Math.toIntExact(length);
        flags[index] = frameFlags;
        times[index] = timeNanos;
        states[index] = PENDING;
        starts[index] = start;
        return appended++;
    }

    private static boolean hasPayload(final Kind kind) {
        return kind == Kind.WRITE || kind == Kind.HASH;
    }

    private static int payloadLength(final Kind kind, final long length) {
        return kind == Kind.HASH ? PieceHash.pieces(length) * PieceHash.LENGTH : (int) length;
    }

    /** Answers where a place begins, or -1. */
    private int takePlace(final int length) {
        final int needed = HEADER_ROOM + length;
        if (places[chunk] == 0) {
            chunkTail = 0; // what is cached is used again
        }
        if (chunkTail + needed > chunkLength) {
            if (freeCount == 0) {
                return -1;
            }
            chunk = freeChunks[--freeCount];
            chunkTail = 0;
        }
        final int start = chunk * chunkLength + chunkTail;
        chunkTail += needed;
        places[chunk]++;
        usedLength += needed;
        return start;
    }

    private void givePlaceBack(final int start, final long length) {
        final int of = start / chunkLength;
        usedLength -= HEADER_ROOM + length;
        releasedLength += HEADER_ROOM + length;
        if (--places[of] == 0 && of != chunk) {
            freeChunks[freeCount++] = of;
        }
    }

    /** Takes the places back whose frames were released. */
    private void reclaim() {
        final long end = released();
        while (reclaimed < end) {
            final int index = index(reclaimed++);
            if (hasPayload(kinds[index])) {
                givePlaceBack(starts[index], payloadLength(kinds[index], lengths[index]));
            }
        }
    }

    /** The fate of a frame's local write. */
    void decide(final long frame, final boolean isDone) {
        states[index(frame)] = isDone ? DONE : FAILED;
        long next = decided.own();
        if (frame != next) {
            return;
        }
        while (next < appended && states[index(next)] != PENDING) {
            next++;
        }
        decided.move(next);
    }

    /** Frames that were ever claimed. */
    long appended() {
        return appended;
    }

    // ---- The link's loop.

    /** The first frame that is not decided. */
    long decided() {
        return decided.get();
    }

    /** All frames before this one are done with. */
    void release(final long frame) {
        released.move(frame);
    }

    // ---- Both.

    /** The first frame that is not released. */
    long released() {
        return released.get();
    }

    Kind kind(final long frame) {
        return kinds[index(frame)];
    }

    int disk(final long frame) {
        return disks[index(frame)];
    }

    long offset(final long frame) {
        return offsets[index(frame)];
    }

    long length(final long frame) {
        return lengths[index(frame)];
    }

    /** Of a zero, those of the disk's operation; of a seal, those of its control record. */
    int flags(final long frame) {
        return flags[index(frame)];
    }

    /** When it was claimed. */
    long timeNanos(final long frame) {
        return times[index(frame)];
    }

    /** Whether its local write failed, so that it must not be forwarded. */
    boolean isFailed(final long frame) {
        return states[index(frame)] == FAILED;
    }

    /** Where its payload lies in the {@link #memory}. */
    int payloadPosition(final long frame) {
        return starts[index(frame)] + HEADER_ROOM;
    }

    /** Bytes of the disks that frames change which are not released; on the guest's loop. */
    long unansweredLength() {
        long length = 0;
        for (long frame = released(); frame < appended; frame++) {
            length += kind(frame) == Kind.WRITE || kind(frame) == Kind.ZERO ? length(frame) : 0;
        }
        return length;
    }

    /** Bytes that payloads take which are not released; on the guest's loop. */
    long usedLength() {
        reclaim();
        return usedLength;
    }

    /** Bytes of payloads that were ever released, as of {@link #usedLength}'s last call. */
    long releasedLength() {
        return releasedLength;
    }

    private int index(final long frame) {
        return (int) (frame & kinds.length - 1);
    }

    @Override
    public void close() {
        buffer.close();
    }
}
