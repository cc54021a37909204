package io.lockstep.engine.throttle;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Another disk, through which no more goes than a {@link ThrottleGroup} lets: what is too much
 * waits, reads behind reads and changes behind changes. Zeroes and trims count as writes of their
 * length, and so does a prefetch as a read; a flush counts for nothing, and is not held up, since
 * what waits has not completed. Where there are limits no memory is lent for payloads.
 *
 * <p>On the other disk's loop. Nothing is allocated but for what waits. Source: QEMU's {@code
 * throttle} driver, as 7.2 was seen to count.
 */
public final class ThrottledDisk implements Disk, AutoCloseable {
    private final Disk below;
    private final Throttle throttle;
    private final IoLoop loop;
    private final WaitingLine reads;
    private final WaitingLine writes;
    private final Throttle.Listening listening;

    /** Over a disk, until it is closed. */
    public ThrottledDisk(final Disk below, final ThrottleGroup group, final IoLoop loop) {
        this.below = below;
        this.loop = loop;
        throttle = new Throttle(List.of(group));
        reads = new WaitingLine(loop, throttle, ThrottleDirection.READ, below::poll);
        writes = new WaitingLine(loop, throttle, ThrottleDirection.WRITE, below::poll);
        listening = throttle.listen(() -> loop.execute(this::askAnew));
    }

    private void askAnew() {
        reads.askAnew();
        writes.askAnew();
    }

    /** Hears of other limits no more; holds up nothing that comes. */
    @Override
    public void close() {
        listening.close();
    }

    @Override
    public String name() {
        return below.name();
    }

    @Override
    public long length() {
        return below.length();
    }

    @Override
    public long lengthThere() {
        return below.lengthThere();
    }

    @Override
    public int lengthUnit() {
        return below.lengthUnit();
    }

    @Override
    public boolean isHoleBehind() {
        return below.isHoleBehind();
    }

    @Override
    public void lengthen(final long newLength) {
        below.lengthen(newLength);
    }

    @Override
    public boolean isReadOnly() {
        return below.isReadOnly();
    }

    @Override
    public boolean isRotational() {
        return below.isRotational();
    }

    @Override
    public void read(
            final long offset,
            final int count,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (reads.mayGo(count)) {
            below.read(offset, count, memory, position, completion, token);
        } else {
            reads.add(count, () -> below.read(offset, count, memory, position, completion, token));
        }
    }

    @Override
    public void write(
            final long offset,
            final int count,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (writes.mayGo(count)) {
            below.write(offset, count, memory, position, completion, token);
        } else {
            writes.add(
                    count, () -> below.write(offset, count, memory, position, completion, token));
        }
    }

    @Override
    public void zero(
            final long offset,
            final long count,
            final int flags,
            final Completion completion,
            final long token) {
        if (writes.mayGo(count)) {
            below.zero(offset, count, flags, completion, token);
        } else {
            writes.add(count, () -> below.zero(offset, count, flags, completion, token));
        }
    }

    @Override
    public void discard(
            final long offset, final long count, final Completion completion, final long token) {
        if (writes.mayGo(count)) {
            below.discard(offset, count, completion, token);
        } else {
            writes.add(count, () -> below.discard(offset, count, completion, token));
        }
    }

    @Override
    public void flush(final Completion completion, final long token) {
        below.flush(completion, token);
    }

    @Override
    public void prefetch(
            final long offset, final long count, final Completion completion, final long token) {
        if (reads.mayGo(count)) {
            below.prefetch(offset, count, completion, token);
        } else {
            reads.add(count, () -> below.prefetch(offset, count, completion, token));
        }
    }

    @Override
    public void extents(
            final long offset,
            final long count,
            final ExtentList into,
            final Completion completion,
            final long token) {
        below.extents(offset, count, into, completion, token);
    }

    @Override
    public IoBuffer window(final long offset, final int count) {
        return throttle.isLimiting() ? null : below.window(offset, count);
    }

    @Override
    public int windowPosition(final long offset) {
        return below.windowPosition(offset);
    }

    @Override
    public int windowLengthMin() {
        return below.windowLengthMin();
    }

    @Override
    public boolean hasWriteWindow(final long offset, final int count) {
        return !throttle.isLimiting() && below.hasWriteWindow(offset, count);
    }

    @Override
    public boolean openWriteWindow(final long offset, final int count, final WriteWindow window) {
        return !throttle.isLimiting() && below.openWriteWindow(offset, count, window);
    }

    /** It began when there was no limit: those behind it wait for it. */
    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
        throttle.reserve(ThrottleDirection.WRITE, window.length(), loop.nanoTime());
        below.write(window, completion, token);
    }

    @Override
    public void dropWriteWindow(final WriteWindow window) {
        below.dropWriteWindow(window);
    }

    @Override
    public int poll() {
        return below.poll();
    }
}
