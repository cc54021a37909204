package io.lockstep.interop;

import io.lockstep.engine.disk.CompletionRing;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Supplier;

/**
 * A medium as one server shows it, as long as the power is there: afterwards whatever is asked for
 * is an error, and nothing is done, whoever still has something to write. All on its loop, but for
 * {@link #die}.
 */
final class MediumDisk implements Disk {
    private final VolatileMedium medium;
    private final IoLoop loop;
    private final CompletionRing completed = new CompletionRing();
    private boolean isPollDue;

    /** Guarded by the medium. */
    private boolean isDead;

    MediumDisk(final VolatileMedium medium, final IoLoop loop) {
        this.medium = medium;
        this.loop = loop;
    }

    /** When this returns nothing more is done. */
    void die() {
        synchronized (medium) {
            isDead = true;
        }
    }

    /** Does something unless the power is lost; answers what it leaves. */
    private <T> T whileItLives(final Supplier<T> effect, final T otherwise) {
        synchronized (medium) {
            return isDead ? otherwise : effect.get();
        }
    }

    private void complete(
            final Supplier<Integer> effect, final Completion completion, final long token) {
        completed.add(completion, token, whileItLives(effect, Errno.EIO));
        if (!isPollDue) {
            isPollDue = true;
            loop.execute(
                    () -> {
                        isPollDue = false;
                        poll();
                    });
        }
    }

    @Override
    public String name() {
        return "drive";
    }

    @Override
    public long length() {
        return medium.length();
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public boolean isRotational() {
        return false;
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        complete(
                () -> {
                    MemorySegment.copy(
                            medium.read((int) offset, length),
                            0,
                            memory,
                            ValueLayout.JAVA_BYTE,
                            position,
                            length);
                    return 0;
                },
                completion,
                token);
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        complete(
                () -> {
                    final byte[] bytes = new byte[length];
                    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, position, bytes, 0, length);
                    medium.write((int) offset, bytes);
                    return 0;
                },
                completion,
                token);
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        complete(
                () -> {
                    medium.write((int) offset, new byte[(int) length]);
                    return 0;
                },
                completion,
                token);
    }

    /** What is no longer needed stays. */
    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        complete(() -> 0, completion, token);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        complete(
                () -> {
                    medium.flush();
                    return 0;
                },
                completion,
                token);
    }

    @Override
    public void prefetch(
            final long offset, final long length, final Completion completion, final long token) {
        complete(() -> 0, completion, token);
    }

    @Override
    public void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        into.clear();
        into.add(length, ExtentList.DATA);
        complete(() -> 0, completion, token);
    }

    @Override
    public int poll() {
        int count = 0;
        while (completed.deliver()) {
            count++;
        }
        return count;
    }
}
