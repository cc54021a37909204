package io.lockstep.engine.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.Optional;

/** What the kernel tells of an open file, from any thread. Source: {@code statx(2)}. */
public final class FileStatus {
    private static final MemorySegment STATX = Posix.function("statx");

    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int AT_STATX_DONT_SYNC = 0x4000;
    private static final int STATX_NLINK = 0x4;
    private static final int STATX_INO = 0x100;
    private static final int STATX_BLOCKS = 0x400;
    private static final int STATX_BTIME = 0x800;
    private static final int STATX_DIOALIGN = 0x2000;

    /** {@code struct statx}, which is the same on all machines. */
    private static final long STATX_LENGTH = 256;

    private static final long STATX_AT_NLINK = 16;
    private static final long STATX_AT_MASK = 0;
    private static final long STATX_AT_INO = 32;
    private static final long STATX_AT_BLOCKS = 48;
    private static final long STATX_AT_BTIME = 80;
    private static final long STATX_AT_DIO_MEMORY_ALIGN = 152;
    private static final long STATX_AT_DIO_OFFSET_ALIGN = 156;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private FileStatus() {}

    /** Bytes of space that an open file has, whatever its length. */
    public static long allocatedLength(final int fd) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment statx = arena.allocate(STATX_LENGTH, Long.BYTES);
            final long result = statx(fd, 0, STATX_BLOCKS, arena, statx);
            return result < 0 ? result : 512 * statx.get(LONG, STATX_AT_BLOCKS);
        }
    }

    /** How many names an open file has, as far as is known without asking a server for it. */
    public static long linkCount(final int fd) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment statx = arena.allocate(STATX_LENGTH, Long.BYTES);
            final long result = statx(fd, AT_STATX_DONT_SYNC, STATX_NLINK, arena, statx);
            return result < 0
                    ? result
                    : Integer.toUnsignedLong(statx.get(ValueLayout.JAVA_INT, STATX_AT_NLINK));
        }
    }

    /**
     * What offsets, lengths and addresses of direct I/O must be multiples of, in bytes; 0 where it
     * can't be had, -1 where that isn't told.
     */
    public static int directAlignment(final int fd) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment statx = arena.allocate(STATX_LENGTH, Long.BYTES);
            final boolean isTold =
                    statx(fd, 0, STATX_DIOALIGN, arena, statx) >= 0
                            && (statx.get(ValueLayout.JAVA_INT, STATX_AT_MASK) & STATX_DIOALIGN)
                                    != 0;
            if (!isTold) {
                return -1;
            }
            final int offsets = statx.get(ValueLayout.JAVA_INT, STATX_AT_DIO_OFFSET_ALIGN);
            final int memory = statx.get(ValueLayout.JAVA_INT, STATX_AT_DIO_MEMORY_ALIGN);
            return offsets == 0 ? 0 : Math.max(offsets, memory);
        }
    }

    private static long statx(
            final int fd,
            final int flags,
            final int mask,
            final Arena arena,
            final MemorySegment into) {
        final long path = arena.allocateFrom("").address();
        return Posix.callLong(STATX, fd, path, AT_EMPTY_PATH | flags, mask, into.address(), 0);
    }

    /**
     * Which file an open one is, as far as its file system tells.
     *
     * @param inode its number, which a file has that is made when this one is gone
     * @param born when it was made, to the nanosecond; empty where that is not kept
     */
    public record FileIdentity(long inode, Optional<Instant> born) {}

    /** Which file an open one is; empty where that can't be asked. */
    public static Optional<FileIdentity> fileIdentity(final int fd) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment statx = arena.allocate(STATX_LENGTH, Long.BYTES);
            if (statx(fd, 0, STATX_INO | STATX_BTIME, arena, statx) < 0) {
                return Optional.empty();
            }
            final int told = statx.get(ValueLayout.JAVA_INT, STATX_AT_MASK);
            final Optional<Instant> born =
                    (told & STATX_BTIME) == 0
                            ? Optional.empty()
                            : Optional.of(
                                    Instant.ofEpochSecond(
                                            statx.get(LONG, STATX_AT_BTIME),
                                            statx.get(
                                                    ValueLayout.JAVA_INT,
                                                    STATX_AT_BTIME + Long.BYTES)));
            return Optional.of(new FileIdentity(statx.get(LONG, STATX_AT_INO), born));
        }
    }
}
