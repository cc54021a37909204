package io.lockstep.engine.disk;

import io.lockstep.engine.loop.DeviceCall;
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
 * <p>What memory can answer is done on the loop, in the call that submits it: one {@code pread} or
 * {@code pwrite} straight between the file and the caller's memory. So is a read that {@code
 * RWF_NOWAIT} says does not wait. A write outside of memory, which the page cache usually takes at
 * once and sometimes not for as long as a device likes, and the question for holes are {@link
 * DeviceCall}s of the loop; while such calls were seen to stand still ({@link DevicePace}), helper
 * threads make them. These make the calls, too, that usually wait: reads of what is not in memory,
 * flushes, and changes of allocation. The completion is delivered by {@link #poll}, which the loop
 * is made to call.
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

    /** What is known to hold data, so that reads of it need not ask for holes. */
    private final KnownData known;

    private final DevicePace pace;
    private int unknownWrites;

    /** The next write is to look whether the file was cut, or has lost its name. */
    private boolean isLookDue;

    private boolean isNameDue;

    /** The loop's view of an open file. */
    public FileDisk(final DiskFile file, final IoLoop loop, final HelperThreads helpers) {
        this.file = file;
        this.fd = file.fd();
        this.loop = loop;
        this.helpers = helpers;
        windows = new FileWindows(file);
        space = new FileSpace(file);
        pace = file.pace();
        known = new KnownData(file);
        known.learnWhole();
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
    public long lengthThere() {
        return file.lengthThere();
    }

    @Override
    public int lengthUnit() {
        return file.unitLength();
    }

    @Override
    public boolean isHoleBehind() {
        return file.isHoleBehind();
    }

    @Override
    public void lengthen(final long newLength) {
        windows.lengthen(newLength);
        file.lengthen(newLength);
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
                            offset, length, known.has(offset, offset + length), memory, position);
            completed.add(
                    completion,
                    token,
                    errno != FileWindows.NO_WINDOW ? errno : file.read(address, length, offset));
            return;
        }
        // Past the page cache the kernel waits for the device, whatever it is asked not to.
        if (!file.access().isDirect()) {
            iovec.set(ValueLayout.JAVA_LONG, 0, address);
            iovec.set(ValueLayout.JAVA_LONG, 8, length);
            final long count = Posix.preadNoWait(fd, iovec.address(), offset);
            if (count == length) {
                completed.add(completion, token, 0);
                return;
            }
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
        if (!file.isMemoryBacked()) {
            final Operation operation = operation(Kind.WRITE, offset, length, completion, token);
            operation.address = memory.address() + position;
            operation.looks = isLookDue;
            operation.looksForName = isNameDue;
            isLookDue = false;
            isNameDue = false;
            call(operation);
            return;
        }
        final boolean isData = known.has(offset, offset + length) || hasFilled();
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
        executeUnlessMemory(operation(Kind.PREFETCH, offset, length, completion, token));
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
        final long end = offset + length;
        if (length == 0 || isLost(end)) {
            completed.add(completion, token, length == 0 ? 0 : Errno.ENXIO);
        } else if (isData(offset, length)) {
            into.add(length, ExtentList.DATA);
            completed.add(completion, token, 0);
        } else if (file.isMemoryBacked()) {
            completed.add(completion, token, known.findExtents(offset, end, into));
        } else {
            final Operation operation = operation(Kind.EXTENTS, offset, length, completion, token);
            operation.into = into;
            operation.found.take(known);
            call(operation);
        }
    }

    @Override
    public IoBuffer window(final long offset, final int length) {
        return isLost(offset + length)
                ? null
                : windows.find(offset, length, known.has(offset, offset + length));
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
            windows.enter(offset, length);
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
            operation.make();
            complete(operation);
        } else {
            helpers.execute(operation);
        }
    }

    /** For a call that rarely waits. */
    private void call(final Operation operation) {
        if (pace.isSlow()) {
            helpers.execute(operation);
        } else {
            loop.call(operation);
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
            known.forget(operation.offset, operation.offset + operation.length);
        } else if (operation.kind == Kind.EXTENTS) {
            known.take(operation.found);
            operation.into = null;
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
     * and then now and then while they go on. Outside of memory that call may wait for whoever
     * changes the file, and is made together with the next write.
     */
    private void watch() {
        if (!isWatching) {
            isWatching = true;
            look(false);
            loop.schedule(WATCH_NANOS, watchTask);
        }
        hasChanged = true;
    }

    private void watchOn() {
        if (isClosed) {
            return;
        }
        look(++watchCount % WATCHES_PER_NAME == 0);
        isWatching = hasChanged;
        hasChanged = false;
        if (isWatching) {
            loop.schedule(WATCH_NANOS, watchTask);
        }
    }

    private void look(final boolean forName) {
        if (!file.isMemoryBacked()) {
            isLookDue = true;
            isNameDue |= forName;
            return;
        }
        file.look();
        if (forName) {
            file.lookForName();
        }
    }

    private boolean isWithin(final long offset, final long length) {
        return offset >= 0 && length >= 0 && offset <= file.length() - length;
    }

    /** Whether a range is known to have no hole, or is in memory. */
    private boolean isData(final long offset, final long length) {
        return file.isBlockDevice()
                || known.has(offset, offset + length)
                || windows.find(offset, length, false) != null;
    }

    /**
     * Whether the holes that a file in memory had are all written by now. Asked of the kernel now
     * and then: it costs a system call, and some objects.
     */
    private boolean hasFilled() {
        return file.isMemoryBacked()
                && ++unknownWrites % FILLED_CHECK_WRITES == 0
                && known.learnWhole();
    }

    private enum Kind {
        READ,
        WRITE,
        ZERO,
        DISCARD,
        FLUSH,
        PREFETCH,
        EXTENTS
    }

    /** An operation that a helper may run; used again and again. */
    private final class Operation implements Runnable, DeviceCall {
        private static final int NO_PLACE = -1;

        private Kind kind = Kind.READ;
        private long offset;
        private long length;
        private long address;
        private int flags;
        private boolean looks;
        private boolean looksForName;
        private ExtentList into;

        /** What was known when it began, and what it learned. */
        private final KnownData found = new KnownData(file);

        private Completion completion;
        private long token;
        private int errno;

        /** Its place among the calls under way that the loop has left. */
        private int place = NO_PLACE;

        /** On a helper thread. */
        @Override
        public void run() {
            // Reads and flushes tell nothing of how long a write takes.
            final boolean isTold = kind == Kind.WRITE || kind == Kind.EXTENTS;
            final int helperPlace = isTold ? pace.begin(System.nanoTime()) : NO_PLACE;
            try {
                make();
            } catch (final RuntimeException | Error e) {
                loop.execute(() -> rethrow(e)); // it ends the process, for nobody could go on
                return;
            } finally {
                if (isTold) {
                    pace.end(helperPlace, System.nanoTime());
                }
            }
            finished.offer(this);
            if (pollScheduled.compareAndSet(false, true)) {
                loop.execute(pollTask);
            }
        }

        private static void rethrow(final Throwable thrown) {
            throw new IllegalStateException("a call on a disk's file failed", thrown);
        }

        @Override
        public void make() {
            errno =
                    switch (kind) {
                        case READ -> file.read(address, length, offset);
                        case WRITE -> write();
                        case ZERO -> space.zero(offset, length, flags);
                        case DISCARD -> space.discard(offset, length);
                        case FLUSH -> file.flush();
                        case PREFETCH -> prefetch();
                        case EXTENTS -> found.findExtents(offset, offset + length, into);
                    };
        }

        private int write() {
            if (looks) {
                file.look();
            }
            if (looksForName) {
                file.lookForName();
            }
            return isLost(offset + length) ? Errno.ENXIO : file.write(address, length, offset);
        }

        private int prefetch() {
            Posix.fadvise(fd, offset, length, Posix.POSIX_FADV_WILLNEED);
            return 0; // a hint
        }

        @Override
        public void onMade() {
            if (place != NO_PLACE) {
                pace.returned(place, System.nanoTime());
                place = NO_PLACE;
            }
            complete(this);
            poll();
        }

        @Override
        public void onLeft(final boolean isUnderWay) {
            if (isUnderWay) {
                place = pace.left(System.nanoTime());
            } else {
                helpers.execute(this);
            }
        }
    }
}
