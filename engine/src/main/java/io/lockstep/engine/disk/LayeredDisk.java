package io.lockstep.engine.disk;

import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;

/**
 * A disk laid over another, which does its work in several steps of that one. Keeps the promise of
 * {@link Disk} that no operation ends in the call that submits it. On the loop of the disk below.
 */
public abstract class LayeredDisk implements Disk {
    /** The disk below. */
    protected Disk local;

    private final CompletionRing completed = new CompletionRing();
    private boolean submitting;

    /** Over that disk. */
    protected LayeredDisk(final Disk local) {
        this.local = local;
    }

    @Override
    public final String name() {
        return local.name();
    }

    @Override
    public final long length() {
        return local.length();
    }

    @Override
    public long lengthThere() {
        return local.lengthThere();
    }

    @Override
    public final int lengthUnit() {
        return local.lengthUnit();
    }

    @Override
    public final boolean isHoleBehind() {
        return local.isHoleBehind();
    }

    /** The disk below is. */
    @Override
    public void lengthen(final long newLength) {
        local.lengthen(newLength);
    }

    @Override
    public final boolean isReadOnly() {
        return local.isReadOnly();
    }

    @Override
    public final boolean isRotational() {
        return local.isRotational();
    }

    @Override
    public final int windowLengthMin() {
        return local.windowLengthMin();
    }

    /** Of the disk below; a layer that has something else to show shows it instead. */
    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        local.read(offset, length, memory, position, completion, token);
    }

    @Override
    public IoBuffer window(final long offset, final int length) {
        return local.window(offset, length);
    }

    @Override
    public final int windowPosition(final long offset) {
        return local.windowPosition(offset);
    }

    @Override
    public final void prefetch(
            final long offset, final long length, final Completion completion, final long token) {
        local.prefetch(offset, length, completion, token);
    }

    @Override
    public void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        local.extents(offset, length, into, completion, token);
    }

    /**
     * Another one lies below from now on, the same as another loop sees it; nothing is under way.
     */
    protected final void below(final Disk other) {
        local = other;
    }

    /** Begins a call that submits; what ends in it is delivered by {@link #poll}. */
    protected final void enterSubmit() {
        submitting = true;
    }

    /** Ends it. */
    protected final void leaveSubmit() {
        submitting = false;
    }

    /** An operation has ended. */
    protected final void complete(final Completion completion, final long token, final int errno) {
        if (submitting) {
            completed.add(completion, token, errno);
        } else {
            completion.onComplete(token, errno);
        }
    }

    @Override
    public final int poll() {
        int count = local.poll();
        while (completed.deliver()) {
            count++;
        }
        return count;
    }
}
