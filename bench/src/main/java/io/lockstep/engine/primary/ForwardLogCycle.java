package io.lockstep.engine.primary;

/**
 * The way of a frame through the forward log, for benchmarks: the log itself is nobody's but the
 * primary's. {@link #offer} is for one thread, the guest's; {@link #take} for another, the link's.
 */
public final class ForwardLogCycle implements AutoCloseable {
    private final ForwardLog log;

    /**
     * An empty log.
     *
     * @param capacity for payloads, in bytes; a power of two of at least 64 KiB
     */
    public ForwardLogCycle(final int capacity) {
        log = new ForwardLog(capacity);
    }

    /**
     * A write comes, and is done on the local disk at once.
     *
     * @return whether there was room
     */
    public boolean offer(final long offset, final int length) {
        final long frame = log.claim(ForwardLog.Kind.WRITE, 0, offset, length, 0, 0);
        if (frame < 0) {
            return false;
        }
        log.decide(frame, true);
        return true;
    }

    /**
     * The link sends the next write, and the secondary answers it at once.
     *
     * @return the write's offset, or -1 where there is none
     */
    public long take() {
        final long frame = log.released();
        if (frame == log.decided()) {
            return -1;
        }
        final long offset = log.offset(frame);
        log.release(frame + 1);
        return offset;
    }

    @Override
    public void close() {
        log.close();
    }
}
