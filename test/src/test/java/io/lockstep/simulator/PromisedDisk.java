package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.disk.WriteWindow;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A primary's disk as its guest is served it, which notes what the answers promise. */
final class PromisedDisk extends LayeredDisk {
    private final Promises promises;
    private final int index;

    /** One of the disks, by its place among them. */
    PromisedDisk(final Disk disk, final Promises promises, final int index) {
        super(disk);
        this.promises = promises;
        this.index = index;
    }

    private Completion noting(final Promises.Request request, final Completion completion) {
        return (token, errno) -> {
            promises.answered(request, errno);
            completion.onComplete(token, errno);
        };
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        final byte[] bytes = memory.asSlice(position, length).toArray(ValueLayout.JAVA_BYTE);
        local.write(
                offset,
                length,
                memory,
                position,
                noting(promises.write(index, offset, bytes), completion),
                token);
    }

    @Override
    public boolean hasWriteWindow(final long offset, final int length) {
        return local.hasWriteWindow(offset, length);
    }

    @Override
    public boolean openWriteWindow(final long offset, final int length, final WriteWindow window) {
        return local.openWriteWindow(offset, length, window);
    }

    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
        final byte[] bytes =
                window.memory()
                        .segment()
                        .asSlice(window.position(), window.length())
                        .toArray(ValueLayout.JAVA_BYTE);
        local.write(
                window, noting(promises.write(index, window.offset(), bytes), completion), token);
    }

    @Override
    public void dropWriteWindow(final WriteWindow window) {
        local.dropWriteWindow(window);
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        local.zero(
                offset,
                length,
                flags,
                noting(promises.zero(index, offset, length), completion),
                token);
    }

    /** A primary does it as a zero. */
    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        local.discard(
                offset, length, noting(promises.zero(index, offset, length), completion), token);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        local.flush(noting(promises.flush(), completion), token);
    }
}
