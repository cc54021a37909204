package io.lockstep.engine.memory;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A large private file mapped as a whole, of which only what is used has space: a chunk is
 * allocated before it is touched for the first time, so that a full file system is an error number
 * here, never a fault at a load or store.
 *
 * <p>Nobody may load from or store to a chunk that is not {@link #isAllocated}. One thread's.
 * Source: {@code fallocate(2)}, {@code mmap(2)}.
 */
public final class SparseFile implements AutoCloseable {
    private Path path;
    private final int fd;
    private final Arena arena;
    private final MemorySegment segment;
    private final int chunkBits;

    /** A bit for each chunk that has its space. */
    private final long[] allocated;

    private long allocatedLength;

    private SparseFile(
            final Path path,
            final int fd,
            final Arena arena,
            final MemorySegment segment,
            final int chunkBits) {
        this.path = path;
        this.fd = fd;
        this.arena = arena;
        this.segment = segment;
        this.chunkBits = chunkBits;
        final long chunks = segment.byteSize() >> chunkBits;
        allocated = new long[(int) ((chunks + Long.SIZE - 1) / Long.SIZE)];
    }

    /**
     * Opens a private file, made if there is none, and maps it. Bytes that were never written are
     * zero. One that is longer stays so, and is mapped as a whole.
     *
     * @param path as {@link PrivateFiles#open} takes it
     * @param length in bytes, rounded up to whole chunks: what it has at least
     * @param chunkLength what is allocated at a time, a power of two of at least a page
     * @throws IOException naming file and error; also where the file that is there is not one of
     *     whole chunks
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the mapping
    public static SparseFile open(final Path path, final long length, final int chunkLength)
            throws IOException {
        final int fd = PrivateFiles.open(path);
        final Arena arena = Arena.ofShared();
        boolean opened = false;
        try {
            final long whole = (length + chunkLength - 1) & -(long) chunkLength;
            final long mapped = Math.max(whole, wholeLength(path, fd, chunkLength));
            lengthen(path, fd, mapped);
            final MemorySegment segment = VirtualMemory.map(fd, 0, mapped, arena);
            final SparseFile file =
                    new SparseFile(
                            path, fd, arena, segment, Integer.numberOfTrailingZeros(chunkLength));
            file.findAllocated();
            opened = true;
            return file;
        } finally {
            if (!opened) {
                arena.close();
                Posix.close(fd);
            }
        }
    }

    private static long wholeLength(final Path path, final int fd, final int chunkLength)
            throws IOException {
        final long length = Posix.lseek(fd, 0, Posix.SEEK_END);
        if (length % chunkLength != 0) {
            throw new IOException(
                    path
                            + " has "
                            + length
                            + " bytes, which are no whole chunks of "
                            + chunkLength
                            + ": it was changed, or is another program's; choose another place, or"
                            + " remove it if nothing of it is needed");
        }
        return length;
    }

    private static void lengthen(final Path path, final int fd, final long length)
            throws IOException {
        final int result = Posix.ftruncate(fd, length);
        if (result < 0) {
            throw new IOException(
                    "cannot make "
                            + path
                            + " "
                            + length
                            + " bytes long: "
                            + Errno.meaning(-result));
        }
    }

    /** A chunk that a killed process had in part gets the rest of its space. */
    private void findAllocated() throws IOException {
        long at = 0;
        while (at < segment.byteSize()) {
            final long data = Posix.lseek(fd, at, Posix.SEEK_DATA);
            if (data < 0) {
                return; // no more
            }
            final int errno = allocate(data, 1);
            if (errno != 0) {
                throw new IOException(
                        "cannot allocate space for " + path + ": " + Errno.meaning(errno));
            }
            at = ((data >> chunkBits) + 1) << chunkBits;
        }
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** All of it; valid until {@link #close}. */
    public MemorySegment segment() {
        return segment;
    }

    /** How many bytes have their space. */
    public long allocatedLength() {
        return allocatedLength;
    }

    /** Where the last chunk ends that has its space, in bytes; 0 where none has. */
    public long allocatedEnd() {
        for (int i = allocated.length - 1; i >= 0; i--) {
            if (allocated[i] != 0) {
                final long chunks =
                        (long) (i + 1) * Long.SIZE - Long.numberOfLeadingZeros(allocated[i]);
                return chunks << chunkBits;
            }
        }
        return 0;
    }

    /** Whether the byte at an offset may be touched. */
    public boolean isAllocated(final long offset) {
        final long chunk = offset >> chunkBits;
        return (allocated[(int) (chunk >> 6)] & 1L << chunk) != 0;
    }

    /**
     * Sees to it that a range may be touched.
     *
     * @return 0, or an error number ({@code ENOSPC})
     */
    public int allocate(final long offset, final long length) {
        final long last = (offset + length - 1) >> chunkBits;
        for (long chunk = offset >> chunkBits; chunk <= last; chunk++) {
            if ((allocated[(int) (chunk >> 6)] & 1L << chunk) == 0) {
                final int result = Posix.fallocate(fd, 0, chunk << chunkBits, 1L << chunkBits);
                if (result < 0) {
                    return -result;
                }
                allocated[(int) (chunk >> 6)] |= 1L << chunk;
                allocatedLength += 1L << chunkBits;
            }
        }
        return 0;
    }

    /**
     * Writes to a range that may be touched, without touching it.
     *
     * @return 0, or an error number; {@code EFAULT} where the memory is not there
     */
    public int write(
            final long offset, final MemorySegment from, final long position, final int length) {
        return Posix.writeAll(fd, from.address() + position, length, offset);
    }

    /** {@link VirtualMemory#enterStretch} at an offset that has its space, and was written. */
    public void enterStretch(final long offset) {
        VirtualMemory.enterStretch(segment.address() + offset);
    }

    /**
     * Exchanges its name with another one's, at once: whoever opens them by name finds the other.
     *
     * @return whether the file system does that
     */
    public boolean exchangeName(final SparseFile other) {
        if (Posix.exchangeNames(path.toString(), other.path.toString()) < 0) {
            return false;
        }
        final Path own = path;
        path = other.path;
        other.path = own;
        return true;
    }

    /** Gives back the space of all whole chunks from an offset on; they read as zero again. */
    public void release(final long from) {
        final long first = (from + (1L << chunkBits) - 1) >> chunkBits;
        final long start = first << chunkBits;
        final long end = allocatedEnd();
        if (start >= end) {
            return;
        }
        final int mode = Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE;
        if (Posix.fallocate(fd, mode, start, end - start) == 0) {
            for (long chunk = first; chunk < end >> chunkBits; chunk++) {
                allocated[(int) (chunk >> 6)] &= ~(1L << chunk);
            }
            allocatedLength = 0;
            for (final long bits : allocated) {
                allocatedLength += (long) Long.bitCount(bits) << chunkBits;
            }
        } else if (from == 0) {
            clear();
        }
    }

    /** A file system that can't punch: what is there is made zero. */
    private void clear() {
        for (long chunk = 0; chunk < segment.byteSize() >> chunkBits; chunk++) {
            if (isAllocated(chunk << chunkBits)) {
                segment.asSlice(chunk << chunkBits, 1L << chunkBits).fill((byte) 0);
            }
        }
    }

    /** Unmaps it; the file stays. */
    @Override
    public void close() {
        Arrays.fill(allocated, 0);
        arena.close();
        Posix.close(fd);
    }

    /** Unmaps it, and removes the file. */
    public void delete() throws IOException {
        close();
        Files.deleteIfExists(path);
    }
}
