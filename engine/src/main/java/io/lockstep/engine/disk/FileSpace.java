package io.lockstep.engine.disk;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Zeroes and discards ranges of a file or device, by what it does best: in place of written zeroes
 * it gives space back or marks it, as far as that is to the byte the same. Calls wait for the
 * device. From any thread.
 *
 * <p>Nothing is done where the file was cut short: zeroing would make it long again, and punching
 * says nothing of the end. Source: {@code fallocate(2)}.
 */
final class FileSpace {
    private static final int ZEROES_LENGTH = 1 << 16;

    private static final MemorySegment ZEROES = Arena.global().allocate(ZEROES_LENGTH, 4096);

    private final DiskFile file;
    private final int fd;

    FileSpace(final DiskFile file) {
        this.file = file;
        fd = file.fd();
    }

    /** Makes a range read as zeroes. Answers 0 or an error number. */
    int zero(final long offset, final long length, final int flags) {
        if (length == 0) {
            return 0;
        }
        if (offset + length > file.look()) {
            return Errno.ENXIO;
        }
        final boolean fast = (flags & Disk.ZERO_FAST) != 0;
        if (file.isBlockDevice()) {
            return zeroDevice(offset, length, flags);
        }
        if ((flags & Disk.ZERO_NO_HOLE) == 0) {
            final int errno = punch(offset, length);
            if (errno != Errno.EOPNOTSUPP) {
                return errno;
            }
        }
        final int result = Posix.fallocate(fd, Posix.FALLOC_FL_ZERO_RANGE, offset, length);
        if (result != -Errno.EOPNOTSUPP) {
            return -result;
        }
        if (fast) {
            return Errno.EOPNOTSUPP;
        }
        if (file.isMemoryBacked()) {
            final int errno = punch(offset, length);
            return errno != 0 ? errno : -Posix.fallocate(fd, 0, offset, length);
        }
        return writeZeroes(offset, length);
    }

    /** A device zeroes whole sectors itself; what is left at both ends is written. */
    private int zeroDevice(final long offset, final long length, final int flags) {
        final int sector = file.sectorLength();
        final long end = offset + length;
        final long innerStart = Math.min((offset + sector - 1) / sector * sector, end);
        final long innerEnd = Math.max(end / sector * sector, innerStart);
        final boolean fast = (flags & Disk.ZERO_FAST) != 0;
        int errno = 0;
        if (innerEnd > innerStart) {
            // Of these two only the first is sure not to write zeroes sector by sector.
            int result = -Errno.EOPNOTSUPP;
            if ((flags & Disk.ZERO_NO_HOLE) == 0) {
                errno = punch(innerStart, innerEnd - innerStart);
                result = -errno;
            }
            if (result == -Errno.EOPNOTSUPP) {
                if (fast) {
                    return Errno.EOPNOTSUPP;
                }
                final int mode = Posix.FALLOC_FL_ZERO_RANGE | Posix.FALLOC_FL_KEEP_SIZE;
                errno = -Posix.fallocate(fd, mode, innerStart, innerEnd - innerStart);
            }
            if (errno == Errno.EOPNOTSUPP) {
                errno = writeZeroes(innerStart, innerEnd - innerStart);
            }
        }
        if (errno == 0) {
            errno = writeZeroes(offset, innerStart - offset);
        }
        return errno != 0 ? errno : writeZeroes(innerEnd, end - innerEnd);
    }

    private int punch(final long offset, final long length) {
        final int mode = Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE;
        return -Posix.fallocate(fd, mode, offset, length);
    }

    private int writeZeroes(final long offset, final long length) {
        long done = 0;
        while (done < length) {
            final long count = Math.min(ZEROES_LENGTH, length - done);
            final int errno = file.write(ZEROES.address(), count, offset + done);
            if (errno != 0) {
                return errno;
            }
            done += count;
        }
        return 0;
    }

    /** A discard is a hint: what can't discard keeps the data. Answers as {@link #zero}. */
    int discard(final long offset, final long length) {
        if (length == 0) {
            return 0;
        }
        if (offset + length > file.look()) {
            return Errno.ENXIO;
        }
        final int errno;
        if (file.isBlockDevice()) {
            final int sector = file.sectorLength();
            final long start = (offset + sector - 1) / sector * sector;
            final long end = (offset + length) / sector * sector;
            errno = end > start ? -Posix.ioctlRange(fd, Posix.BLKDISCARD, start, end - start) : 0;
        } else {
            errno = punch(offset, length);
        }
        return errno == Errno.EOPNOTSUPP ? 0 : errno;
    }
}
