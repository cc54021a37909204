package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.LayeredDisk;

import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/** A disk as one process has it open, of which somebody sees each change before it is made. */
class WatchedDisk extends LayeredDisk {
    private final Consumer<String> watcher;

    /**
     * Over that disk.
     *
     * @param watcher is told what kind of change it is, and throws where there must be none
     */
    WatchedDisk(final Disk local, final Consumer<String> watcher) {
        super(local);
        this.watcher = watcher;
    }

    @Override
    public final void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        watcher.accept("write");
        local.write(offset, length, memory, position, completion, token);
    }

    @Override
    public final void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        watcher.accept("zero");
        local.zero(offset, length, flags, completion, token);
    }

    @Override
    public final void discard(
            final long offset, final long length, final Completion completion, final long token) {
        watcher.accept("discard");
        local.discard(offset, length, completion, token);
    }

    @Override
    public final void flush(final Completion completion, final long token) {
        local.flush(completion, token);
    }

    @Override
    public final void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        local.extents(offset, length, into, completion, token);
    }
}
