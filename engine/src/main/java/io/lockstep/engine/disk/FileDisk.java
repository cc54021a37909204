package io.lockstep.engine.disk;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.memory.Posix;

import org.jctools.queues.atomic.MpscUnboundedAtomicArrayQueue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A disk on a file or a block device, as one loop uses it.
 *
 * <p>What the page cache or memory can answer is done on the loop, in the call that submits it: one
 * {@code pread} or {@code pwrite} straight between the file and the caller's memory. What can wait
 * for a device goes to a helper thread: a read that {@code RWF_NOWAIT} says would wait, flushes,
 * and changes of allocation outside memory-backed file systems. Either way the completion is
 * delivered by {@link #poll}, which the loop is made to call when a helper is done.
 *
 * <p>Allocates nothing in steady state. Source: {@code preadv2(2)}, {@code fallocate(2)}, {@code
 * lseek(2)}.
 */
public final class FileDisk implements Disk, AutoCloseable {
    private static final int OPERATION_CHUNK = 256;

    /** Writes to what may be a hole between two looks at whether the file has any left. */
    static final int FILLED_CHECK_WRITES = 1 << 13;

    /** While the file is changed, somebody looks so often whether it has been cut. */
    private static final long WATCH_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /** And once in so many looks whether its path is another's. */
    private static final int WATCHES_PER_NAME = 10;

    private final DiskFile file;
    private final int fd;
    private final IoLoop loop;
    private final HelperThreads helpers;

    private final CompletionRing completed = new CompletionRing();
    private final OperationPool<Operation> operations =
            new OperationPool<>(number -> new Operation());
    private final MpscUnboundedAtomicArrayQueue<Operation> finished =
            new MpscUnboundedAtomicArrayQueue<>(OPERATION_CHUNK);
    private final AtomicBoolean pollScheduled = new AtomicBoolean();
    private final Runnable pollTask = this::pollFinished;
    private final FileWindows windows;
    private final FileSpace space;
    private boolean polling;

    private final Runnable watchTask = this::watchOn;
    private boolean isWatching;
    private boolean hasChanged;
    private int watchCount;
    private volatile boolean isClosed;

    /** One {@code struct iovec} for reads that must not wait. */
    private final MemorySegment iovec = Arena.ofAuto().allocate(16, 8);

    /** A range known to hold data, so that reads of it need not ask for holes. */
    private long dataStart;

    private long dataEnd;
    private int dataGeneration;
    private int unknownWrites;

    /** The loop's view of an open file. */
    public FileDisk(final DiskFile file, final IoLoop loop, final HelperThreads helpers) {
        this.file = file;
        this.fd = file.fd();
        this.loop = loop;
        this.helpers = helpers;
        windows = new FileWindows(file);
        space = new FileSpace(file);
        learnWhole();
    }

    /**
     * Gives back what it maps. No operation may be under way, and no reply that reads from it. On
     * the loop, or when that has ended.
     */
    @Override
    public void close() {
        isClosed = true;
        windows.close();
    }

    @Override
    public String name() {
        return file.name();
    }

    @Override
    public long length() {
        return file.length();
    }

    @Override
    public boolean isReadOnly() {
        return file.isReadOnly();
    }

    @Override
    public boolean isRotational() {
        return file.isRotational();
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        assert isWithin(offset, length) && position + length <= memory.byteSize();
        if (isLost(offset + length)) {
            completed.add(completion, token, Errno.ENXIO);
            return;
        }
        final long address = memory.address() + position;
        if (file.isMemoryBacked()) {
            final int errno =
                    windows.read(
                            offset, length, isKnownData(offset, offset + length), memory, position);
            completed.add(
                    completion,
                    token,
                    errno != FileWindows.NO_WINDOW ? errno : file.read(address, length, offset));
            return;
        }
        iovec.set(ValueLayout.JAVA_LONG, 0, address);
        iovec.set(ValueLayout.JAVA_LONG, 8, length);
        final long count = Posix.preadNoWait(fd, iovec.address(), offset);
        if (count == length) {
            completed.add(completion, token, 0);
            return;
        }
        final Operation operation = operation(Kind.READ, offset, length, completion, token);
        operation.address = address;
        helpers.execute(operation);
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        assert isWithin(offset, length) && position + length <= memory.byteSize();
        watch();
        if (isLost(offset + length)) {
            completed.add(completion, token, Errno.ENXIO);
            return;
        }
        final boolean isData = isKnownData(offset, offset + length) || hasFilled();
        final int errno = windows.write(offset, length, isData, memory, position);
        completed.add(
                completion,
                token,
                errno != FileWindows.NO_WINDOW
                        ? errno
                        : file.write(memory.address() + position, length, offset));
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        assert isWithin(offset, length);
        final Operation operation = operation(Kind.ZERO, offset, length, completion, token);
        operation.flags = flags;
        executeUnlessMemory(operation);
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        assert isWithin(offset, length);
        executeUnlessMemory(operation(Kind.DISCARD, offset, length, completion, token));
    }

    @Override
    public void flush(final Completion completion, final long token) {
        executeUnlessMemory(operation(Kind.FLUSH, 0, 0, completion, token));
    }

    @Override
    public void prefetch(
            final long offset, final long length, final Completion completion, final long token) {
        assert isWithin(offset, length);
        Posix.fadvise(fd, offset, length, Posix.POSIX_FADV_WILLNEED);
        completed.add(completion, token, 0);
    }

    @Override
    public void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        assert isWithin(offset, length);
        into.clear();
        completed.add(completion, token, findExtents(offset, offset + length, into));
    }

    @Override
    public IoBuffer window(final long offset, final int length) {
        return isLost(offset + length)
                ? null
                : windows.find(offset, length, isKnownData(offset, offset + length));
    }

    @Override
    public int windowPosition(final long offset) {
        return FileWindows.position(offset);
    }

    @Override
    public boolean hasWriteWindow(final long offset, final int length) {
        return window(offset, length) != null;
    }

    @Override
    public boolean openWriteWindow(final long offset, final int length, final WriteWindow window) {
        watch();
        final IoBuffer memory = window(offset, length);
        if (memory != null) {
            window.open(memory, FileWindows.position(offset), offset, length);
        }
        return memory != null;
    }

    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
        // What was received there is in the file, but for what lay behind its end.
        final boolean isLost = isLost(window.offset() + window.length());
        completed.add(completion, token, isLost ? Errno.ENXIO : 0);
    }

    @Override
    public int poll() {
        if (polling) {
            return 0; // called by a completion's handler: the outer call goes on
        }
        polling = true;
        try {
            int count = 0;
            while (completed.deliver()) {
                count++;
            }
            return count;
        } finally {
            polling = false;
        }
    }

    private void pollFinished() {
        pollScheduled.set(false);
        Operation operation = finished.poll();
        while (operation != null) {
            complete(operation);
            operation = finished.poll();
        }
        poll();
    }

    private void executeUnlessMemory(final Operation operation) {
        if (file.isMemoryBacked()) {
            operation.execute();
            complete(operation);
        } else {
            helpers.execute(operation);
        }
    }

    private Operation operation(
            final Kind kind,
            final long offset,
            final long length,
            final Completion completion,
            final long token) {
        final Operation operation = operations.take();
        operation.kind = kind;
        operation.offset = offset;
        operation.length = length;
        operation.completion = completion;
        operation.token = token;
        return operation;
    }

    private void complete(final Operation operation) {
        if (operation.kind == Kind.ZERO || operation.kind == Kind.DISCARD) {
            forgetData(operation.offset, operation.offset + operation.length);
        }
        completed.add(operation.completion, operation.token, operation.errno);
        operation.completion = null;
        operations.give(operation);
    }

    // ---- A file that others change.

    /** Whether a range that ends there lies, in part, where the file was cut. */
    private boolean isLost(final long end) {
        return end > file.wholeLength();
    }

    /**
     * To be called before a change: what is lost must not be made zero by a write behind it, which
     * would make the file long again. To look costs a system call: it is done when changes begin,
     * and then now and then while they go on.
     */
    private void watch() {
        if (!isWatching) {
            isWatching = true;
            file.look();
            loop.schedule(WATCH_NANOS, watchTask);
        }
        hasChanged = true;
    }

    private void watchOn() {
        if (isClosed) {
            return;
        }
        file.look();
        if (++watchCount % WATCHES_PER_NAME == 0) {
            file.lookForName();
        }
        isWatching = hasChanged;
        hasChanged = false;
        if (isWatching) {
            loop.schedule(WATCH_NANOS, watchTask);
        }
    }

    private boolean isWithin(final long offset, final long length) {
        return offset >= 0 && length >= 0 && offset <= file.length() - length;
    }

    private int findExtents(final long start, final long end, final ExtentList into) {
        if (start == end) {
            return 0;
        }
        if (isLost(end)) {
            return Errno.ENXIO;
        }
        final boolean isData =
                file.isBlockDevice()
                        || isKnownData(start, end)
                        || windows.find(start, end - start, false) != null;
        if (isData) {
            into.add(end - start, ExtentList.DATA);
            return 0;
        }
        long at = start;
        while (at < end) {
            if (!isKnownData(at, at + 1)) {
                final long data = Posix.lseek(fd, at, Posix.SEEK_DATA);
                if (data < 0 && data != -Errno.ENXIO) {
                    return (int) -data;
                }
                if (data < 0 && file.look() < end) {
                    return Errno.ENXIO; // no hole: there is nothing any more
                }
                final long holeEnd =
                        data < 0 ? end : Math.min(data, end); // ENXIO: a hole up to the end
                if (holeEnd > at) {
                    if (!into.add(holeEnd - at, ExtentList.HOLE)) {
                        return 0;
                    }
                    at = holeEnd;
                    continue;
                }
                final int errno = learnData(at);
                if (errno != 0) {
                    return errno;
                }
            }
            final long runEnd = Math.min(dataEnd, end);
            if (!into.add(runEnd - at, ExtentList.DATA)) {
                return 0;
            }
            at = runEnd;
        }
        return 0;
    }

    private boolean isKnownData(final long start, final long end) {
        return start >= dataStart
                && end <= dataEnd
                && dataGeneration == file.holeGeneration().get();
    }

    /**
     * Whether the holes that a file in memory had are all written by now. Asked of the kernel now
     * and then: it costs a system call, and some objects.
     */
    private boolean hasFilled() {
        return file.isMemoryBacked() && ++unknownWrites % FILLED_CHECK_WRITES == 0 && learnWhole();
    }

    /**
     * Keeps that a file has no hole, where that is so: none need be asked for until one is made.
     */
    private boolean learnWhole() {
        final int generation = file.holeGeneration().get();
        final boolean isWhole =
                Posix.allocatedLength(fd) >= file.length()
                        && Posix.lseek(fd, 0, Posix.SEEK_END) == file.length();
        if (!isWhole) {
            return false;
        }
        dataStart = 0;
        dataEnd = file.length();
        dataGeneration = generation;
        return true;
    }

    /**
     * Finds the end of the data around an offset that has some, and keeps it: asking is dear where
     * a long range is walked page by page, as tmpfs does. What is known may be out of date in one
     * direction only: it may call data what others have punched since, which is never wrong.
     */
    private int learnData(final long offset) {
        final int generation = file.holeGeneration().get();
        final long hole = Posix.lseek(fd, offset, Posix.SEEK_HOLE);
        if (hole < 0) {
            return (int) -hole;
        }
        dataStart = offset;
        // A hole punched between the two calls makes no progress: call one byte data, and look
        // again.
        dataEnd = Math.max(hole, offset + 1);
        dataGeneration = generation;
        return 0;
    }

    /** Takes a range that may now be a hole out of what is known, and lets the other loops know. */
    private void forgetData(final long start, final long end) {
        final int generation = file.holeGeneration().incrementAndGet();
        if (dataGeneration == generation - 1) {
            dataGeneration = generation;
        }
        if (start < dataEnd && end > dataStart) {
            if (start - dataStart > dataEnd - end) {
                dataEnd = start;
            } else {
                dataStart = end;
            }
        }
    }

    private enum Kind {
        READ,
        ZERO,
        DISCARD,
        FLUSH
    }

    /** An operation that a helper may run; used again and again. */
    private final class Operation implements Runnable {
        private Kind kind = Kind.READ;
        private long offset;
        private long length;
        private long address;
        private int flags;
        private Completion completion;
        private long token;
        private int errno;

        @Override
        public void run() {
            execute();
            finished.offer(this);
            if (pollScheduled.compareAndSet(false, true)) {
                loop.execute(pollTask);
            }
        }

        void execute() {
            errno =
                    switch (kind) {
                        case READ -> file.read(address, length, offset);
                        case ZERO -> space.zero(offset, length, flags);
                        case DISCARD -> space.discard(offset, length);
                        case FLUSH -> file.flush();
                    };
        }
    }
}
