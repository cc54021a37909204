package io.lockstep.hardening;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * A small disk in memory with holes of whole sectors, to fuzz a session with. What an operation
 * does it does at once; it completes at once, or later and in any order, well or not, as a byte of
 * the input has it.
 */
final class FuzzedDisk implements Disk {
    static final int SECTOR = 512;
    static final int LENGTH = 40 * SECTOR + 3;

    /** Where holes are at first: so many sectors, and data up to so many. */
    static final int HOLE_SECTORS = 3;

    static final int HOLE_EVERY = 16;

    /** From this seed on operations fail now and then. */
    static final int FAILING = 0x80;

    private final byte[] content = initialContent();
    private final boolean[] holes = initialHoles();
    private final Portions delays;
    private final boolean failing;
    private final Queue<Completed> completed = new ArrayDeque<>();
    private final List<Completed> underWay = new ArrayList<>();
    private boolean polling;

    private record Completed(Completion completion, long token, int errno) {}

    FuzzedDisk(final int seed) {
        delays = new Portions(seed);
        failing = (seed & 0xff) >= FAILING;
    }

    static byte[] initialContent() {
        final byte[] initial = new byte[LENGTH];
        final boolean[] holes = initialHoles();
        for (int i = 0; i < LENGTH; i++) {
            initial[i] = (byte) (holes[i / SECTOR] ? 0 : i * 31 + i / SECTOR + 1);
        }
        return initial;
    }

    private static boolean[] initialHoles() {
        final boolean[] initial = new boolean[LENGTH / SECTOR + 1];
        for (int i = 0; i < initial.length; i++) {
            initial[i] = i % HOLE_EVERY < HOLE_SECTORS;
        }
        return initial;
    }

    /** Lets some of what is under way complete. Answers whether anything was. */
    boolean release() {
        if (underWay.isEmpty()) {
            return false;
        }
        int count = delays.next(underWay.size());
        while (count-- > 0) {
            completed.add(underWay.remove(delays.below(underWay.size())));
        }
        return true;
    }

    boolean isQuiet() {
        return underWay.isEmpty() && completed.isEmpty();
    }

    private boolean fails() {
        return failing && delays.below(8) == 0;
    }

    private void complete(final boolean failed, final Completion completion, final long token) {
        final Completed end = new Completed(completion, token, failed ? Errno.EIO : 0);
        if (delays.now()) {
            underWay.add(end);
        } else {
            completed.add(end);
        }
    }

    private static void check(final long offset, final long length) {
        FuzzCheck.that(
                offset >= 0 && length >= 0 && length <= LENGTH - offset,
                "beyond the disk: ",
                length,
                " at ",
                offset);
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        check(offset, length);
        final boolean failed = fails();
        if (!failed) {
            MemorySegment.copy(
                    content, (int) offset, memory, ValueLayout.JAVA_BYTE, position, length);
        }
        complete(failed, completion, token);
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        check(offset, length);
        final boolean failed = fails();
        if (!failed) {
            MemorySegment.copy(
                    memory, ValueLayout.JAVA_BYTE, position, content, (int) offset, length);
            for (long at = offset; at < offset + length; at++) {
                holes[(int) at / SECTOR] = false;
            }
        }
        complete(failed, completion, token);
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        check(offset, length);
        final boolean failed = fails();
        if (!failed) {
            clear(offset, length, (flags & ZERO_NO_HOLE) == 0);
        }
        complete(failed, completion, token);
    }

    private void clear(final long offset, final long length, final boolean makeHoles) {
        for (long at = offset; at < offset + length; at++) {
            content[(int) at] = 0;
            if (makeHoles && at % SECTOR == SECTOR - 1 && at - offset >= SECTOR - 1) {
                holes[(int) at / SECTOR] = true;
            }
        }
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        zero(offset, length, 0, completion, token);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        complete(fails(), completion, token);
    }

    @Override
    public void prefetch(
            final long offset, final long length, final Completion completion, final long token) {
        check(offset, length);
        complete(false, completion, token);
    }

    @Override
    public void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        check(offset, length);
        into.clear();
        long at = offset;
        while (at < offset + length) {
            final long next = Math.min(offset + length, (at / SECTOR + 1) * SECTOR);
            final boolean hole = holes[(int) at / SECTOR];
            if (!into.add(next - at, hole ? ExtentList.HOLE : ExtentList.DATA)) {
                break;
            }
            at = next;
        }
        complete(fails(), completion, token);
    }

    @Override
    public int poll() {
        if (polling) {
            return 0;
        }
        polling = true;
        int count = 0;
        try {
            Completed next = completed.poll();
            while (next != null) {
                count++;
                next.completion().onComplete(next.token(), next.errno());
                next = completed.poll();
            }
        } finally {
            polling = false;
        }
        return count;
    }

    @Override
    public String name() {
        return FuzzedExports.DEFAULT;
    }

    @Override
    public long length() {
        return LENGTH;
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public boolean isRotational() {
        return false;
    }
}
