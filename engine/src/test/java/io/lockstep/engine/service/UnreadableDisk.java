package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.MemorySegment;

/** A disk of which a part can't be read, for as long as a test wants. On its loop. */
final class UnreadableDisk extends LayeredDisk {
    private final long start;
    private volatile boolean isReadable;

    /** What is behind an offset can't be read. */
    UnreadableDisk(final Disk local, final long start) {
        super(local);
        this.start = start;
    }

    /** All can be read from now on; from any thread. */
    void heal() {
        isReadable = true;
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (isReadable || offset + length <= start) {
            super.read(offset, length, memory, position, completion, token);
        } else {
            enterSubmit();
            complete(completion, token, Errno.EIO);
            leaveSubmit();
        }
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        local.write(offset, length, memory, position, completion, token);
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        local.zero(offset, length, flags, completion, token);
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        local.discard(offset, length, completion, token);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        local.flush(completion, token);
    }
}
