package io.lockstep.engine.disk;

import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Another disk, whose first change waits until somebody says that it may be done. From then on all
 * goes straight to the other one, which is all that it costs; reads always do. On the other's loop.
 */
public final class GatedDisk implements Disk {
    private final Disk below;
    private final Gate gate;
    private final List<Runnable> waiting = new ArrayList<>();
    private boolean isAsked;
    private boolean isOpen;

    /** Who says that the disk may be changed. */
    public interface Gate {
        /**
         * Somebody wants to change it, for the first time.
         *
         * @param whenOpen to be run on the disk's loop, at once or later, once or never
         */
        void ask(Runnable whenOpen);
    }

    /** Nobody has changed it yet. */
    public GatedDisk(final Disk below, final Gate gate) {
        this.below = below;
        this.gate = gate;
    }

    private void change(final Runnable operation) {
        waiting.add(operation);
        if (!isAsked) {
            isAsked = true;
            gate.ask(this::open);
        }
    }

    private void open() {
        isOpen = true;
        waiting.forEach(Runnable::run);
        waiting.clear();
        below.poll();
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
        below.read(offset, count, memory, position, completion, token);
    }

    @Override
    public void write(
            final long offset,
            final int count,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (isOpen) {
            below.write(offset, count, memory, position, completion, token);
        } else {
            change(() -> below.write(offset, count, memory, position, completion, token));
        }
    }

    @Override
    public void zero(
            final long offset,
            final long count,
            final int flags,
            final Completion completion,
            final long token) {
        if (isOpen) {
            below.zero(offset, count, flags, completion, token);
        } else {
            change(() -> below.zero(offset, count, flags, completion, token));
        }
    }

    @Override
    public void discard(
            final long offset, final long count, final Completion completion, final long token) {
        if (isOpen) {
            below.discard(offset, count, completion, token);
        } else {
            change(() -> below.discard(offset, count, completion, token));
        }
    }

    /** Changes nothing; what waits has not completed, so that it need not be flushed. */
    @Override
    public void flush(final Completion completion, final long token) {
        below.flush(completion, token);
    }

    @Override
    public void prefetch(
            final long offset, final long count, final Completion completion, final long token) {
        below.prefetch(offset, count, completion, token);
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
        return below.window(offset, count);
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
        return isOpen && below.hasWriteWindow(offset, count);
    }

    @Override
    public boolean openWriteWindow(final long offset, final int count, final WriteWindow window) {
        return isOpen && below.openWriteWindow(offset, count, window);
    }

    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
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
