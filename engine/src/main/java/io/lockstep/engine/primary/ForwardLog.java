package io.lockstep.engine.primary;

import io.lockstep.engine.memory.IoBuffer;

/**
 * What is forwarded, in the order in which it holds: a ring of frames, and a ring of bytes for the
 * payloads of those that write. Before each payload lies the room for its NBD header, so that
 * frames that are neighbours go over the wire as they lie here.
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
        /** The end of an epoch. */
        SEAL
    }

    /** Room for a header before each payload, in bytes: of a compact request. */
    static final int HEADER_ROOM = 28;

    /** Frames at a time; a power of two. */
    static final int FRAMES = 1 << 14;

    private static final byte PENDING = 0;
    private static final byte DONE = 1;
    private static final byte FAILED = 2;

    private final IoBuffer buffer;
    private final int capacity;
    private final Position decided = new Position();
    private final Position released = new Position();

    // By frame.
    private final Kind[] kinds = new Kind[FRAMES];
    private final int[] disks = new int[FRAMES];
    private final long[] offsets = new long[FRAMES];
    private final long[] lengths = new long[FRAMES];
    private final int[] flags = new int[FRAMES];
    private final long[] times = new long[FRAMES];
    private final byte[] states = new byte[FRAMES];

    /** Where the bytes of a frame begin, counted from the beginning of time. */
    private final long[] starts = new long[FRAMES];

    // The guest's loop's own.
    private long appended;
    private long byteHead;

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
        buffer = IoBuffer.reserveSendable(capacity);
    }

    /** The memory of the payloads. */
    IoBuffer memory() {
        return buffer;
    }

    /** Bytes that there are for payloads. */
    int capacity() {
        return capacity;
    }

    /** The longest payload that a frame takes, in bytes: longer writes are several frames. */
    int payloadLengthMax() {
        return Math.min(4 << 20, capacity / 4);
    }

    // ---- The guest's loop.

    /** Whether so many frames without payload can be claimed. */
    boolean hasFrames(final int count) {
        return FRAMES - (appended - released()) >= count;
    }

    /**
     * Claims the next frame.
     *
     * @param length of what it changes, and, of a write, of its payload
     * @return its number, or -1 where the log is full
     */
    long claim(
            final Kind kind,
            final int disk,
            final long offset,
            final long length,
            final int frameFlags,
            final long timeNanos) {
        final long released = released();
        if (appended - released >= FRAMES) {
            return -1;
        }
        if (appended == released) {
            byteHead = byteHead + capacity - 1 & -(long) capacity; // what is cached is used again
        }
        long start = byteHead;
        if (kind == Kind.WRITE) {
            final int needed = HEADER_ROOM + (int) length;
            final int position = (int) (start & capacity - 1);
            if (position + needed > capacity) {
                start += capacity - position; // a frame lies in one piece
            }
            final long tail = released == appended ? start : starts[index(released)];
            if (start + needed - tail > capacity) {
                return -1;
            }
            byteHead = start + needed;
        }
        final int index = index(appended);
        kinds[index] = kind;
        disks[index] = disk;
        offsets[index] = offset;
        lengths[index] = length;
        flags[index] = frameFlags;
        times[index] = timeNanos;
        states[index] = PENDING;
        starts[index] = start;
        return appended++;
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

    /** The flags of a zero; of a seal, nothing. */
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
        return (int) (starts[index(frame)] & capacity - 1) + HEADER_ROOM;
    }

    /** Bytes of payloads that are not released; on the guest's loop. */
    long usedLength() {
        final long released = released();
        return released == appended ? 0 : byteHead - starts[index(released)];
    }

    private static int index(final long frame) {
        return (int) (frame & FRAMES - 1);
    }

    @Override
    public void close() {
        buffer.close();
    }
}
