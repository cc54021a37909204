package io.lockstep.engine.disk;

import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;

/**
 * A part of another disk, as a disk: the same operations, so much further behind. It lends no
 * memory for payloads, which are received elsewhere and copied. On the other's loop; allocates
 * nothing.
 */
public final class PartDisk implements Disk {
    private final Disk whole;
    private final long start;
    private final long length;

    /**
     * A part.
     *
     * @param start where it begins, in bytes
     * @param length in bytes; it must end within the disk
     */
    public PartDisk(final Disk whole, final long start, final long length) {
        assert start >= 0 && length >= 0 && length <= whole.length() - start;
        this.whole = whole;
        this.start = start;
        this.length = length;
    }

    @Override
    public String name() {
        return whole.name();
    }

    @Override
    public long length() {
        return length;
    }

    @Override
    public boolean isReadOnly() {
        return whole.isReadOnly();
    }

    @Override
    public boolean isRotational() {
        return whole.isRotational();
    }

    /** Where a range of the part lies in the whole; no request may leave it. */
    private long within(final long offset, final long count) {
        assert offset >= 0 && count <= length - offset;
        return start + offset;
    }

    @Override
    public void read(
            final long offset,
            final int count,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        whole.read(within(offset, count), count, memory, position, completion, token);
    }

    @Override
    public void write(
            final long offset,
            final int count,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        whole.write(within(offset, count), count, memory, position, completion, token);
    }

    @Override
    public void zero(
            final long offset,
            final long count,
            final int flags,
            final Completion completion,
            final long token) {
        whole.zero(within(offset, count), count, flags, completion, token);
    }

    @Override
    public void discard(
            final long offset, final long count, final Completion completion, final long token) {
        whole.discard(within(offset, count), count, completion, token);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        whole.flush(completion, token);
    }

    @Override
    public void prefetch(
            final long offset, final long count, final Completion completion, final long token) {
        whole.prefetch(within(offset, count), count, completion, token);
    }

    @Override
    public void extents(
            final long offset,
            final long count,
            final ExtentList into,
            final Completion completion,
            final long token) {
        whole.extents(within(offset, count), count, into, completion, token);
    }

    @Override
    public IoBuffer window(final long offset, final int count) {
        return whole.window(within(offset, count), count);
    }

    @Override
    public int windowPosition(final long offset) {
        return whole.windowPosition(start + offset);
    }

    @Override
    public int windowLengthMin() {
        return whole.windowLengthMin();
    }

    @Override
    public int poll() {
        return whole.poll();
    }
}
