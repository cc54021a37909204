package io.lockstep.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * Downcalls to Linux for what Java has no API for, or none that allocates nothing. A call answers
 * what the man page says, or the negated error number where the man page says -1: {@code
 * -Errno.ENOSPC}. Calls that a signal interrupts are repeated. From any thread.
 *
 * <p>Addresses are passed as numbers: whoever calls keeps the memory alive. Constants are those of
 * x86-64 and AArch64. Source: the man page, section 2, of the name of each method.
 */
@SuppressWarnings("restricted") // downcalls are what this class is for
public final class Posix {
    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_CLOEXEC = 0x80000;

    public static final int SEEK_DATA = 3;
    public static final int SEEK_HOLE = 4;

    public static final int FALLOC_FL_KEEP_SIZE = 1;
    public static final int FALLOC_FL_PUNCH_HOLE = 2;
    public static final int FALLOC_FL_ZERO_RANGE = 16;

    public static final int RWF_NOWAIT = 8;

    public static final int POSIX_FADV_WILLNEED = 3;

    public static final short F_RDLCK = 0;
    public static final short F_WRLCK = 1;
    public static final short F_UNLCK = 2;

    /** Size of the device in bytes, for {@link #ioctlLong}. */
    public static final long BLKGETSIZE64 = 0x80081272L;

    /** Logical sector size of the device in bytes, for {@link #ioctlLong}; it answers an int. */
    public static final long BLKSSZGET = 0x1268L;

    /** Discards a range given as two longs, for {@link #ioctlRange}. */
    public static final long BLKDISCARD = 0x1277L;

    /** Of {@link #fileSystemType}: tmpfs. */
    public static final long TMPFS_MAGIC = 0x01021994L;

    /** Of {@link #fileSystemType}: ramfs. */
    public static final long RAMFS_MAGIC = 0x858458f6L;

    /** Of {@link #fileSystemType}: hugetlbfs. */
    public static final long HUGETLBFS_MAGIC = 0x958458f6L;

    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x2 | 0x20 | 0x4000;
    private static final int MADV_DONTNEED = 4;
    private static final int F_OFD_GETLK = 36;
    private static final int F_OFD_SETLK = 37;

    private static final long PAGE_LENGTH = 4096;

    /** {@code struct flock}: type and whence, padding, start, length, pid. */
    private static final long FLOCK_LENGTH = 32;

    private static final long FLOCK_START = 8;
    private static final long FLOCK_LEN = 16;

    /** {@code struct statfs} begins with the type, and is no longer than this. */
    private static final long STATFS_LENGTH = 256;

    private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
            CAPTURE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    /** Where a thread's calls leave their error number. */
    private static final ThreadLocal<MemorySegment> CAPTURED =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE));

    private static final Linker LINKER = Linker.nativeLinker();
    private static final SymbolLookup LIBC = LINKER.defaultLookup();
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private static final MethodHandle OPEN =
            variadic("open", 2, INT, ValueLayout.ADDRESS, INT, INT);
    private static final MethodHandle CLOSE = call("close", INT, INT);
    private static final MethodHandle PREAD = call("pread", LONG, INT, LONG, LONG, LONG);
    private static final MethodHandle PWRITE = call("pwrite", LONG, INT, LONG, LONG, LONG);
    private static final MethodHandle PREADV2 = call("preadv2", LONG, INT, LONG, INT, LONG, INT);
    private static final MethodHandle LSEEK = call("lseek", LONG, INT, LONG, INT);
    private static final MethodHandle FDATASYNC = call("fdatasync", INT, INT);
    private static final MethodHandle FALLOCATE = call("fallocate", INT, INT, INT, LONG, LONG);
    private static final MethodHandle FADVISE = call("posix_fadvise", INT, INT, LONG, LONG, INT);
    private static final MethodHandle FCNTL =
            variadic("fcntl", 2, INT, INT, INT, ValueLayout.ADDRESS);
    private static final MethodHandle IOCTL =
            variadic("ioctl", 2, INT, INT, LONG, ValueLayout.ADDRESS);
    private static final MethodHandle FSTATFS = call("fstatfs", INT, INT, ValueLayout.ADDRESS);
    private static final MethodHandle MMAP = call("mmap", LONG, LONG, LONG, INT, INT, INT, LONG);
    private static final MethodHandle MUNMAP = call("munmap", INT, LONG, LONG);
    private static final MethodHandle MADVISE = call("madvise", INT, LONG, LONG, INT);

    private Posix() {}

    /** Opens an existing file. Answers the descriptor. */
    public static int open(final String path, final int flags) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment name = arena.allocateFrom(path);
            final MemorySegment captured = CAPTURED.get();
            int result;
            do {
                result = (int) OPEN.invokeExact(captured, name, flags, 0);
            } while (isInterrupted(result, captured));
            return (int) orErrno(result, captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Closes a descriptor. */
    public static int close(final int fd) {
        try {
            final MemorySegment captured = CAPTURED.get();
            return (int) orErrno((int) CLOSE.invokeExact(captured, fd), captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Reads at an offset. Answers how many bytes, 0 at the end of the file. */
    public static long pread(
            final int fd, final long address, final long length, final long offset) {
        try {
            final MemorySegment captured = CAPTURED.get();
            long result;
            do {
                result = (long) PREAD.invokeExact(captured, fd, address, length, offset);
            } while (isInterrupted(result, captured));
            return orErrno(result, captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /**
     * Reads at an offset what is in memory already, and never waits for a device.
     *
     * @param iovec address of one {@code struct iovec}, filled in by the caller
     * @return how many bytes, which may be fewer than asked for; {@code -EAGAIN} where it would
     *     wait, {@code -EOPNOTSUPP} where the file system can't tell
     */
    public static long preadNoWait(final int fd, final long iovec, final long offset) {
        try {
            final MemorySegment captured = CAPTURED.get();
            return orErrno(
                    (long) PREADV2.invokeExact(captured, fd, iovec, 1, offset, RWF_NOWAIT),
                    captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Writes at an offset. Answers how many bytes. */
    public static long pwrite(
            final int fd, final long address, final long length, final long offset) {
        try {
            final MemorySegment captured = CAPTURED.get();
            long result;
            do {
                result = (long) PWRITE.invokeExact(captured, fd, address, length, offset);
            } while (isInterrupted(result, captured));
            return orErrno(result, captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Finds data or a hole ({@link #SEEK_DATA}, {@link #SEEK_HOLE}). Answers an offset. */
    public static long lseek(final int fd, final long offset, final int whence) {
        try {
            final MemorySegment captured = CAPTURED.get();
            return orErrno((long) LSEEK.invokeExact(captured, fd, offset, whence), captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Puts a file's data on stable storage. */
    public static int fdatasync(final int fd) {
        try {
            final MemorySegment captured = CAPTURED.get();
            int result;
            do {
                result = (int) FDATASYNC.invokeExact(captured, fd);
            } while (isInterrupted(result, captured));
            return (int) orErrno(result, captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Allocates, punches or zeroes a range. */
    public static int fallocate(
            final int fd, final int mode, final long offset, final long length) {
        try {
            final MemorySegment captured = CAPTURED.get();
            int result;
            do {
                result = (int) FALLOCATE.invokeExact(captured, fd, mode, offset, length);
            } while (isInterrupted(result, captured));
            return (int) orErrno(result, captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /**
     * Says what will be done with a range. Answers the error number itself, as its man page says.
     */
    public static int fadvise(
            final int fd, final long offset, final long length, final int advice) {
        try {
            return (int) FADVISE.invokeExact(CAPTURED.get(), fd, offset, length, advice);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /**
     * Takes or gives back a lock of the open file description (an OFD lock), without waiting.
     *
     * @return 0; {@code -EAGAIN} or {@code -EACCES} where somebody else's lock is in the way
     */
    public static int lockRange(
            final int fd, final short type, final long start, final long length) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment captured = CAPTURED.get();
            final MemorySegment lock = flock(arena, type, start, length);
            return (int)
                    orErrno((int) FCNTL.invokeExact(captured, fd, F_OFD_SETLK, lock), captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /**
     * Asks whether somebody else's lock would be in the way of such an OFD lock.
     *
     * @return 1 where one would, 0 where none would
     */
    public static int testLock(
            final int fd, final short type, final long start, final long length) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment captured = CAPTURED.get();
            final MemorySegment lock = flock(arena, type, start, length);
            final int result = (int) FCNTL.invokeExact(captured, fd, F_OFD_GETLK, lock);
            if (result < 0) {
                return (int) orErrno(result, captured);
            }
            return lock.get(ValueLayout.JAVA_SHORT, 0) == F_UNLCK ? 0 : 1;
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    private static MemorySegment flock(
            final Arena arena, final short type, final long start, final long length) {
        final MemorySegment lock = arena.allocate(FLOCK_LENGTH, Long.BYTES);
        lock.set(ValueLayout.JAVA_SHORT, 0, type); // whence stays 0, SEEK_SET; pid must be 0
        lock.set(LONG, FLOCK_START, start);
        lock.set(LONG, FLOCK_LEN, length);
        return lock;
    }

    /** Asks a device for a number. Answers it. */
    public static long ioctlLong(final int fd, final long request) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment captured = CAPTURED.get();
            final MemorySegment value = arena.allocate(LONG);
            final int result = (int) IOCTL.invokeExact(captured, fd, request, value);
            return result < 0 ? orErrno(result, captured) : value.get(LONG, 0);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Asks a device to do something with a range. */
    public static int ioctlRange(
            final int fd, final long request, final long offset, final long length) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment captured = CAPTURED.get();
            final MemorySegment range = arena.allocate(LONG, 2);
            range.setAtIndex(LONG, 0, offset);
            range.setAtIndex(LONG, 1, length);
            return (int) orErrno((int) IOCTL.invokeExact(captured, fd, request, range), captured);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** The magic number of the file system that a file lies on, as {@code statfs(2)} names it. */
    public static long fileSystemType(final int fd) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment captured = CAPTURED.get();
            final MemorySegment statfs = arena.allocate(STATFS_LENGTH, Long.BYTES);
            final int result = (int) FSTATFS.invokeExact(captured, fd, statfs);
            return result < 0 ? orErrno(result, captured) : statfs.get(LONG, 0);
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /**
     * Reserves anonymous memory that costs nothing before it is used, unmapped when the arena
     * closes.
     */
    static MemorySegment reserve(final long length, final Arena arena) {
        try {
            final MemorySegment captured = CAPTURED.get();
            final long address =
                    orErrno(
                            (long)
                                    MMAP.invokeExact(
                                            captured,
                                            0L,
                                            length,
                                            PROT_READ_WRITE,
                                            MAP_PRIVATE_ANONYMOUS_NORESERVE,
                                            -1,
                                            0L),
                            captured);
            if (address < 0) {
                throw new OutOfMemoryError(
                        "cannot reserve "
                                + length
                                + " bytes of memory: "
                                + Errno.name((int) -address));
            }
            return MemorySegment.ofAddress(address)
                    .reinterpret(length, arena, memory -> unmap(memory.address(), length));
        } catch (final OutOfMemoryError e) {
            throw e;
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    private static void unmap(final long address, final long length) {
        try {
            final int result = (int) MUNMAP.invokeExact(CAPTURED.get(), address, length);
            assert result == 0;
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    /** Gives the pages behind {@code keep} bytes of reserved memory back. */
    static void release(final MemorySegment memory, final long keep) {
        final long from = (keep + PAGE_LENGTH - 1) & -PAGE_LENGTH;
        if (from >= memory.byteSize()) {
            return;
        }
        try {
            final int result =
                    (int)
                            MADVISE.invokeExact(
                                    CAPTURED.get(),
                                    memory.address() + from,
                                    memory.byteSize() - from,
                                    MADV_DONTNEED);
            assert result == 0;
        } catch (final Throwable t) {
            throw unexpected(t);
        }
    }

    private static boolean isInterrupted(final long result, final MemorySegment captured) {
        return result == -1 && (int) ERRNO.get(captured, 0L) == Errno.EINTR;
    }

    private static long orErrno(final long result, final MemorySegment captured) {
        return result == -1 ? -(int) ERRNO.get(captured, 0L) : result;
    }

    private static MethodHandle call(
            final String name, final MemoryLayout result, final MemoryLayout... arguments) {
        return LINKER.downcallHandle(
                LIBC.findOrThrow(name),
                FunctionDescriptor.of(result, arguments),
                Linker.Option.captureCallState("errno"));
    }

    private static MethodHandle variadic(
            final String name,
            final int fixed,
            final MemoryLayout result,
            final MemoryLayout... arguments) {
        return LINKER.downcallHandle(
                LIBC.findOrThrow(name),
                FunctionDescriptor.of(result, arguments),
                Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(fixed));
    }

    private static IllegalStateException unexpected(final Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return new IllegalStateException("a downcall failed in Java", thrown);
    }
}
