package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * Listens to the stream of one disk where it enters the secondary, and keeps what the disk's
 * content is by the order of the stream: at the end of each epoch, and now. It outlives the
 * secondary's processes: what one of them did not answer is sent again, in the same order, so that
 * the first content with which an epoch ended is its content.
 */
public final class StreamTap {
    private static final byte[] NOTHING = {};

    private final byte[] content;
    private final Map<Long, byte[]> sealed = new HashMap<>();
    private final LongConsumer onSeal;
    private final List<Change> underWay = new ArrayList<>();

    /**
     * A tap of a disk.
     *
     * @param content with which both disks begin
     * @param onSeal hears of each epoch that ends
     */
    public StreamTap(final byte[] content, final LongConsumer onSeal) {
        this.content = content.clone();
        this.onSeal = onSeal;
        sealed.put(0L, content.clone());
    }

    /**
     * Another stream begins, over a disk that has this content, and gets what has come before and
     * is still on its way to it; epochs are numbered on.
     */
    public void restart(final byte[] begin) {
        System.arraycopy(begin, 0, content, 0, content.length);
        underWay.forEach(this::apply);
    }

    /** What has come and is not done: of changes that overlap the later one comes when it is. */
    private static final class Change {
        private final long offset;
        private final byte[] bytes;

        Change(final long offset, final byte[] bytes) {
            this.offset = offset;
            this.bytes = bytes;
        }
    }

    private void apply(final Change change) {
        System.arraycopy(change.bytes, 0, content, (int) change.offset, change.bytes.length);
    }

    private Disk.Completion begin(
            final long offset, final byte[] bytes, final Disk.Completion completion) {
        final Change change = new Change(offset, bytes);
        apply(change);
        underWay.add(change);
        return (token, errno) -> {
            underWay.remove(change);
            completion.onComplete(token, errno);
        };
    }

    /** What was sealed is lost, and may be sealed again. */
    public void forget() {
        sealed.clear();
    }

    /** What no process had sealed before its end is not sent again, and its number may be. */
    public void forgetSealsFrom(final long epoch) {
        sealed.keySet().removeIf(other -> other >= epoch);
    }

    /**
     * Nobody asks for what older epochs ended with: that they have ended is remembered, the memory
     * is given back.
     */
    public void forgetContentsBefore(final long epoch) {
        sealed.replaceAll((older, bytes) -> older < epoch ? NOTHING : bytes);
    }

    /** The content at the end of an epoch; null where the stream has not ended it. */
    public byte[] sealed(final long epoch) {
        return sealed.get(epoch);
    }

    /** The content after all that has come. */
    public byte[] content() {
        return content;
    }

    /** The stream ends an epoch; again, perhaps. */
    public void seal(final long epoch) {
        if (sealed.putIfAbsent(epoch, content.clone()) == null) {
            onSeal.accept(epoch);
        }
    }

    /** A disk of another process that does as another does, and is listened to. */
    public Disk on(final Disk disk) {
        underWay.clear();
        return new Tapped(disk);
    }

    private final class Tapped implements Disk {
        private final Disk disk;

        Tapped(final Disk disk) {
            this.disk = disk;
        }

        @Override
        public String name() {
            return disk.name();
        }

        @Override
        public long length() {
            return disk.length();
        }

        @Override
        public boolean isReadOnly() {
            return disk.isReadOnly();
        }

        @Override
        public boolean isRotational() {
            return disk.isRotational();
        }

        @Override
        public void read(
                final long offset,
                final int length,
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            disk.read(offset, length, memory, position, completion, token);
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
            disk.write(offset, length, memory, position, begin(offset, bytes, completion), token);
        }

        @Override
        public void zero(
                final long offset,
                final long length,
                final int flags,
                final Completion completion,
                final long token) {
            final Completion whenDone =
                    (flags & ZERO_FAST) == 0
                            ? begin(offset, new byte[(int) length], completion)
                            : completion;
            disk.zero(offset, length, flags, whenDone, token);
        }

        @Override
        public void discard(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            throw new AssertionError("a trim in the stream leaves what nobody knows");
        }

        @Override
        public void flush(final Completion completion, final long token) {
            disk.flush(completion, token);
        }

        @Override
        public void prefetch(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            disk.prefetch(offset, length, completion, token);
        }

        @Override
        public void extents(
                final long offset,
                final long length,
                final ExtentList into,
                final Completion completion,
                final long token) {
            disk.extents(offset, length, into, completion, token);
        }

        @Override
        public IoBuffer window(final long offset, final int length) {
            return disk.window(offset, length);
        }

        @Override
        public int windowLengthMin() {
            return disk.windowLengthMin();
        }

        @Override
        public boolean hasWriteWindow(final long offset, final int length) {
            return disk.hasWriteWindow(offset, length);
        }

        @Override
        public boolean openWriteWindow(
                final long offset, final int length, final WriteWindow window) {
            return disk.openWriteWindow(offset, length, window);
        }

        @Override
        public void write(final WriteWindow window, final Completion completion, final long token) {
            final byte[] bytes =
                    window.memory()
                            .segment()
                            .asSlice(window.position(), window.length())
                            .toArray(ValueLayout.JAVA_BYTE);
            disk.write(window, begin(window.offset(), bytes, completion), token);
        }

        @Override
        public void dropWriteWindow(final WriteWindow window) {
            disk.dropWriteWindow(window);
        }

        @Override
        public int windowPosition(final long offset) {
            return disk.windowPosition(offset);
        }

        @Override
        public int poll() {
            return disk.poll();
        }
    }
}
