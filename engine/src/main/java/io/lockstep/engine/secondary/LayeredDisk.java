package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.CompletionRing;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;

/**
 * A disk laid over the secondary disk: what the stream's export and the guest's have in common. On
 * the group's loop.
 */
abstract class LayeredDisk implements Disk {
    /** The secondary disk itself. */
    final Disk local;

    private final CompletionRing completed = new CompletionRing();
    private boolean submitting;

    LayeredDisk(final Disk local) {
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
    public final boolean isReadOnly() {
        return local.isReadOnly();
    }

    @Override
    public final boolean isRotational() {
        return local.isRotational();
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

    /** Begins a call that submits; what ends in it is delivered by {@link #poll}. */
    final void enterSubmit() {
        submitting = true;
    }

    /** Ends it. */
    final void leaveSubmit() {
        submitting = false;
    }

    /** An operation has ended. */
    final void complete(final Completion completion, final long token, final int errno) {
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
