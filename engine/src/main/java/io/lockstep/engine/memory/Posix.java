package io.lockstep.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
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
    public static final int O_CREAT = 0x40;
    public static final int O_NOATIME = 0x40000;
    public static final int O_CLOEXEC = 0x80000;
    public static final int O_PATH = 0x200000;

    /** This one and the next have another number on AArch64. */
    public static final int O_DIRECT =
            "aarch64".equals(System.getProperty("os.arch")) ? 0x10000 : 0x4000;

    public static final int O_NOFOLLOW =
            System.getProperty("os.arch").equals("aarch64") ? 0x8000 : 0x20000;

    public static final int SEEK_END = 2;
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

    /** Whether a block device is read-only, of {@code linux/fs.h}. */
    public static final long BLKROGET = 0x125eL;

    /** Discards a range given as two longs, for {@link #ioctlRange}. */
    public static final long BLKDISCARD = 0x1277L;

    /** Of {@link #fileSystemType}: tmpfs. */
    public static final long TMPFS_MAGIC = 0x01021994L;

    /** Of {@link #fileSystemType}: ramfs. */
    public static final long RAMFS_MAGIC = 0x858458f6L;

    /** Of {@link #fileSystemType}: hugetlbfs. */
    public static final long HUGETLBFS_MAGIC = 0x958458f6L;

    private static final int MFD_CLOEXEC = 1;
    private static final int PROT_NONE = 0;
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x2 | 0x20 | 0x4000;
    private static final int MAP_SHARED = 0x1;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_POPULATE_READ = 22;
    private static final int F_OFD_GETLK = 36;
    private static final int F_OFD_SETLK = 37;

    /** {@code struct flock}: type and whence, padding, start, length, pid. */
    private static final long FLOCK_LENGTH = 32;

    private static final long FLOCK_START = 8;
    private static final long FLOCK_LEN = 16;

    /** {@code struct statfs} begins with the type, and is no longer than this. */
    private static final long STATFS_LENGTH = 256;

    /** The number of {@code futex} for {@code syscall}: libc has no function for it. */
    private static final long SYS_FUTEX =
            System.getProperty("os.arch").equals("aarch64") ? 98 : 202;

    /** The same of {@code renameat2}, which libraries of old lack. */
    private static final long SYS_RENAMEAT2 =
            System.getProperty("os.arch").equals("aarch64") ? 276 : 316;

    private static final int AT_FDCWD = -100;
    private static final int RENAME_EXCHANGE = 2;

    /** Policies of the scheduler, for {@link #setThreadPolicy}. */
    public static final int SCHED_OTHER = 0;

    public static final int SCHED_IDLE = 5;

    private static final int PRIO_PROCESS = 0;

    private static final int FUTEX_WAIT = 0;
    private static final int FUTEX_WAKE = 1;

    private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
            CAPTURE.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    /** Where a thread's calls leave their error number. */
    private static final ThreadLocal<MemorySegment> CAPTURED =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE));

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private static final FunctionDescriptor SHAPE =
            FunctionDescriptor.of(LONG, LONG, LONG, LONG, LONG, LONG, LONG);

    /**
     * One handle for all functions: they take numbers and addresses in registers, six at most, and
     * none looks at a register that it has no parameter for. A handle each would be most of the
     * time that a start takes.
     */
    private static final MethodHandle CALL =
            Linker.nativeLinker().downcallHandle(SHAPE, Linker.Option.captureCallState("errno"));

    /**
     * The same without the error number, for reads and writes: keeping it costs a look-up of the
     * thread and, where the JIT does not see through it, an object. When such a call fails, which
     * is rare, it is made again through {@link #CALL}; these calls may be.
     */
    private static final MethodHandle FAST_CALL = Linker.nativeLinker().downcallHandle(SHAPE);

    private static final MemorySegment OPEN = function("open");
    private static final MemorySegment CLOSE = function("close");
    private static final MemorySegment DUP3 = function("dup3");
    private static final MemorySegment FCHMOD = function("fchmod");
    private static final MemorySegment UMASK = function("umask");
    private static final MemorySegment GETEUID = function("geteuid");
    private static final MemorySegment PREAD = function("pread");
    private static final MemorySegment PWRITE = function("pwrite");
    private static final MemorySegment PREADV2 = function("preadv2");
    private static final MemorySegment LSEEK = function("lseek");
    private static final MemorySegment FDATASYNC = function("fdatasync");
    private static final MemorySegment FSYNC = function("fsync");
    private static final MemorySegment FALLOCATE = function("fallocate");
    private static final MemorySegment FADVISE = function("posix_fadvise");
    private static final MemorySegment FCNTL = function("fcntl");
    private static final MemorySegment IOCTL = function("ioctl");
    private static final MemorySegment FSTATFS = function("fstatfs");
    private static final MemorySegment MMAP = function("mmap");
    private static final MemorySegment MUNMAP = function("munmap");
    private static final MemorySegment FTRUNCATE = function("ftruncate");
    private static final MemorySegment MADVISE = function("madvise");
    private static final MemorySegment MINCORE = function("mincore");
    private static final MemorySegment MEMFD_CREATE = function("memfd_create");
    private static final MemorySegment SCHED_GETAFFINITY = function("sched_getaffinity");
    private static final MemorySegment SCHED_SETAFFINITY = function("sched_setaffinity");

    private static final MemorySegment SCHED_SETSCHEDULER = function("sched_setscheduler");
    private static final MemorySegment SETPRIORITY = function("setpriority");
    private static final MemorySegment SYSCALL = function("syscall");

    private Posix() {}

    /** Opens an existing file. Answers the descriptor. */
    public static int open(final String path, final int flags) {
        return open(path, flags, 0);
    }

    /** Opens a file, made with that mode, less the umask, if there is none ({@link #O_CREAT}). */
    public static int open(final String path, final int flags, final int mode) {
        try (Arena arena = Arena.ofConfined()) {
            return callInt(OPEN, arena.allocateFrom(path).address(), flags, mode, 0);
        }
    }

    /** Changes an open file's mode. */
    public static int fchmod(final int fd, final int mode) {
        return callInt(FCHMOD, fd, mode, 0, 0);
    }

    /** Sets what files of this process are made without. Answers what it was. */
    public static int umask(final int mask) {
        return callInt(UMASK, mask, 0, 0, 0);
    }

    /** The user that this process acts as. */
    public static int geteuid() {
        return (int) invoke(GETEUID, 0, 0, 0, 0, 0, 0);
    }

    /** Makes a file in memory that has no path, and is gone when nobody uses it any more. */
    static int memoryFile(final String name) {
        try (Arena arena = Arena.ofConfined()) {
            return callInt(MEMFD_CREATE, arena.allocateFrom(name).address(), MFD_CLOEXEC, 0, 0);
        }
    }

    /** Has a descriptor stand for what another one does, in place of what it stood for. */
    public static int replace(final int descriptor, final int by) {
        return callInt(DUP3, by, descriptor, O_CLOEXEC, 0);
    }

    /** Closes a descriptor. */
    public static int close(final int fd) {
        // Not repeated when interrupted: the descriptor is gone by then.
        final long result = invoke(CLOSE, fd, 0, 0, 0, 0, 0);
        return (int) result == -1 ? -errno() : (int) result;
    }

    /** Reads at an offset. Answers how many bytes, 0 at the end of the file. */
    public static long pread(
            final int fd, final long address, final long length, final long offset) {
        return callFast(PREAD, fd, address, length, offset, 0);
    }

    /**
     * Reads at an offset what is in memory already, and never waits for a device.
     *
     * @param iovec address of one {@code struct iovec}, filled in by the caller
     * @return how many bytes, which may be fewer than asked for; {@code -EAGAIN} where it would
     *     wait, {@code -EOPNOTSUPP} where the file system can't tell
     */
    public static long preadNoWait(final int fd, final long iovec, final long offset) {
        return callFast(PREADV2, fd, iovec, 1, offset, RWF_NOWAIT);
    }

    /** Writes at an offset. Answers how many bytes. */
    public static long pwrite(
            final int fd, final long address, final long length, final long offset) {
        return callFast(PWRITE, fd, address, length, offset, 0);
    }

    /** Writes all of a range. Answers 0 or an error number. */
    public static int writeAll(
            final int fd, final long address, final long length, final long offset) {
        long done = 0;
        while (done < length) {
            final long count = pwrite(fd, address + done, length - done, offset + done);
            if (count <= 0) {
                return count == 0 ? Errno.EIO : (int) -count; // 0 would never come to an end
            }
            done += count;
        }
        return 0;
    }

    /**
     * Finds data or a hole ({@link #SEEK_DATA}, {@link #SEEK_HOLE}), or the end of the file.
     * Answers an offset.
     */
    public static long lseek(final int fd, final long offset, final int whence) {
        return callFast(LSEEK, fd, offset, whence, 0, 0);
    }

    /** Puts a file's data on stable storage. */
    public static int fdatasync(final int fd) {
        return callInt(FDATASYNC, fd, 0, 0, 0);
    }

    /** Brings a file, or a directory's names, to stable storage. */
    public static int fsync(final int fd) {
        return callInt(FSYNC, fd, 0, 0, 0);
    }

    /** Allocates, punches or zeroes a range. */
    public static int fallocate(
            final int fd, final int mode, final long offset, final long length) {
        return callInt(FALLOCATE, fd, mode, offset, length);
    }

    /** Makes a file that many bytes long. */
    public static int ftruncate(final int fd, final long length) {
        return callInt(FTRUNCATE, fd, length, 0, 0);
    }

    /**
     * Says what will be done with a range. Answers the error number itself, as its man page says.
     */
    public static int fadvise(
            final int fd, final long offset, final long length, final int advice) {
        return callInt(FADVISE, fd, offset, length, advice);
    }

    /**
     * Takes or gives back a lock of the open file description (an OFD lock), without waiting.
     *
     * @return 0; {@code -EAGAIN} or {@code -EACCES} where somebody else's lock is in the way
     */
    public static int lockRange(
            final int fd, final short type, final long start, final long length) {
        try (Arena arena = Arena.ofConfined()) {
            return callInt(FCNTL, fd, F_OFD_SETLK, flock(arena, type, start, length).address(), 0);
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
            final MemorySegment lock = flock(arena, type, start, length);
            final int result = callInt(FCNTL, fd, F_OFD_GETLK, lock.address(), 0);
            if (result < 0) {
                return result;
            }
            return lock.get(ValueLayout.JAVA_SHORT, 0) == F_UNLCK ? 0 : 1;
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
            final MemorySegment value = arena.allocate(LONG);
            final int result = callInt(IOCTL, fd, request, value.address(), 0);
            return result < 0 ? result : value.get(LONG, 0);
        }
    }

    /** Asks a device to do something with a range. */
    public static int ioctlRange(
            final int fd, final long request, final long offset, final long length) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment range = arena.allocate(LONG, 2);
            range.setAtIndex(LONG, 0, offset);
            range.setAtIndex(LONG, 1, length);
            return callInt(IOCTL, fd, request, range.address(), 0);
        }
    }

    /** The magic number of the file system that a file lies on, as {@code statfs(2)} names it. */
    public static long fileSystemType(final int fd) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment statfs = arena.allocate(STATFS_LENGTH, Long.BYTES);
            final int result = callInt(FSTATFS, fd, statfs.address(), 0, 0);
            return result < 0 ? result : statfs.get(LONG, 0);
        }
    }

    /**
     * Tells which pages of a mapping are in memory.
     *
     * @param address of the first page, a multiple of the page's length
     * @param pages address of one byte for each page; its lowest bit is set where the page is there
     */
    public static int mincore(final long address, final long length, final long pages) {
        return callInt(MINCORE, address, length, pages, 0);
    }

    /** Tells which cores the calling thread may run on: a bit each, in {@code length} bytes. */
    public static int threadAffinity(final long mask, final long length) {
        return callInt(SCHED_GETAFFINITY, 0, length, mask, 0);
    }

    /** Says which cores the calling thread may run on: a bit each, in {@code length} bytes. */
    public static int setThreadAffinity(final long mask, final long length) {
        return callInt(SCHED_SETAFFINITY, 0, length, mask, 0);
    }

    /**
     * Says by which policy a thread is scheduled. Without the right to, none comes back from {@link
     * #SCHED_IDLE} ({@code sched(7)}).
     *
     * @param thread its number in {@code /proc}, or 0 for the calling one
     */
    public static int setThreadPolicy(final int thread, final int policy) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment priority = arena.allocate(Integer.BYTES); // of these policies 0
            return callInt(SCHED_SETSCHEDULER, thread, policy, priority.address(), 0);
        }
    }

    /** Says how nice a thread of this process is to others, by its number in {@code /proc}. */
    public static int setThreadNice(final int thread, final int nice) {
        return callInt(SETPRIORITY, PRIO_PROCESS, thread, nice, 0);
    }

    /**
     * Sleeps while a word of memory, which other processes may have mapped as well, holds a value,
     * until somebody wakes it or the time is over. It may wake for nothing.
     *
     * @param address of 4 bytes, a multiple of 4
     * @return 0; {@code -EAGAIN} where the word holds another value, {@code -ETIMEDOUT}
     */
    public static int futexWait(final long address, final int value, final long nanos) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment time = arena.allocate(LONG, 2);
            time.setAtIndex(LONG, 0, nanos / 1_000_000_000);
            time.setAtIndex(LONG, 1, nanos % 1_000_000_000);
            final long at = time.address();
            return (int) callLong(SYSCALL, SYS_FUTEX, address, FUTEX_WAIT, value, at, 0);
        }
    }

    /** Wakes all that sleep at a word of memory, in whatever process. Answers how many. */
    public static int futexWake(final long address) {
        return (int) callFast(SYSCALL, SYS_FUTEX, address, FUTEX_WAKE, Integer.MAX_VALUE, 0);
    }

    /**
     * Exchanges the names of two files of one file system, at once.
     *
     * @return 0 or a negative error number: {@code -EINVAL} where the file system can't
     */
    static int exchangeNames(final String one, final String other) {
        try (Arena arena = Arena.ofConfined()) {
            final long first = arena.allocateFrom(one).address();
            final long second = arena.allocateFrom(other).address();
            return (int)
                    callLong(
                            SYSCALL,
                            SYS_RENAMEAT2,
                            AT_FDCWD,
                            first,
                            AT_FDCWD,
                            second,
                            RENAME_EXCHANGE);
        }
    }

    /**
     * Maps a part of an open file, shared, for reading and writing.
     *
     * @param address where, if nothing is there; 0 where the kernel likes
     * @return the address or a negative error number
     */
    static long mapFile(final long address, final long length, final int fd, final long offset) {
        return callLong(MMAP, address, length, PROT_READ_WRITE, MAP_SHARED, fd, offset);
    }

    /** Maps zeroed memory of the process's own; answers its address or a negative error number. */
    static long mapAnonymous(final long length) {
        return callLong(MMAP, 0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
    }

    /** Takes addresses at which there is nothing; answers the first or a negative error number. */
    static long mapNothing(final long length) {
        return callLong(MMAP, 0, length, PROT_NONE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
    }

    static int munmap(final long address, final long length) {
        return callInt(MUNMAP, address, length, 0, 0);
    }

    /** {@code madvise(2)}: {@code MADV_DONTNEED}. */
    static void dontNeed(final long address, final long length) {
        callInt(MADVISE, address, length, MADV_DONTNEED, 0);
    }

    /** {@code madvise(2)}: {@code MADV_POPULATE_READ}. */
    static void populateRead(final long address, final long length) {
        callFast(MADVISE, address, length, MADV_POPULATE_READ, 0, 0);
    }

    private static long callFast(
            final MemorySegment function,
            final long first,
            final long second,
            final long third,
            final long fourth,
            final long fifth) {
        final long result;
        try {
            result =
                    (long) FAST_CALL.invokeExact(function, first, second, third, fourth, fifth, 0L);
        } catch (final RuntimeException | Error e) {
            throw e;
        } catch (final Throwable e) {
            throw new IllegalStateException("a downcall threw", e);
        }
        return result != -1 ? result : callLong(function, first, second, third, fourth, fifth, 0);
    }

    static long callLong(
            final MemorySegment function,
            final long first,
            final long second,
            final long third,
            final long fourth,
            final long fifth,
            final long sixth) {
        while (true) {
            final long result = invoke(function, first, second, third, fourth, fifth, sixth);
            if (result != -1) {
                return result;
            }
            final int errno = errno();
            if (errno != Errno.EINTR) {
                return -errno;
            }
        }
    }

    /** Of a function that answers an int only half of the register means anything. */
    private static int callInt(
            final MemorySegment function,
            final long first,
            final long second,
            final long third,
            final long fourth) {
        while (true) {
            final int result = (int) invoke(function, first, second, third, fourth, 0, 0);
            if (result != -1) {
                return result;
            }
            final int errno = errno();
            if (errno != Errno.EINTR) {
                return -errno;
            }
        }
    }

    private static long invoke(
            final MemorySegment function,
            final long first,
            final long second,
            final long third,
            final long fourth,
            final long fifth,
            final long sixth) {
        try {
            return (long)
                    CALL.invokeExact(
                            function, CAPTURED.get(), first, second, third, fourth, fifth, sixth);
        } catch (final RuntimeException | Error e) {
            throw e;
        } catch (final Throwable e) {
            throw new IllegalStateException("a downcall threw", e);
        }
    }

    /** The error number of this thread's last call. */
    private static int errno() {
        return (int) ERRNO.get(CAPTURED.get(), 0L);
    }

    static MemorySegment function(final String name) {
        return Linker.nativeLinker().defaultLookup().findOrThrow(name);
    }
}
