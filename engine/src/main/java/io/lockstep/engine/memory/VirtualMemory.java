package io.lockstep.engine.memory;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Memory of this process at addresses of its own: files that are mapped, and what is reserved. All
 * of it goes when its arena closes. From any thread.
 *
 * <p>A file begins at a multiple of a <em>stretch</em> where it is as long as one. The kernel
 * enters pages into the page table by stretches of addresses ({@code fault_around_bytes}), not of
 * the file: where the two lie askew, half of what is written next takes a fault for each page.
 * Source: {@code mmap(2)}, {@code madvise(2)}, {@code do_fault_around} of the kernel's {@code
 * mm/memory.c}.
 */
@SuppressWarnings("restricted") // an address becomes memory here
public final class VirtualMemory {
    /** 64 KiB: as many pages as the kernel enters around one, unless it was told otherwise. */
    public static final int STRETCH_BITS = 16;

    private static final long STRETCH_LENGTH = 1L << STRETCH_BITS;

    /** What a page table's entry of the next level stands for, where a file has pages as large. */
    private static final long LARGE_PAGE_LENGTH = 2 << 20;

    private static final long PAGE_LENGTH = 4096;

    private static final AtomicLong RESERVED = new AtomicLong();

    private VirtualMemory() {}

    /**
     * Maps a part of an open file, shared, for reading and writing.
     *
     * @param offset in the file, a multiple of the page's length
     * @param length in bytes
     * @throws IOException where the address space or a limit of the process is used up, or the file
     *     is none that can be mapped
     */
    static MemorySegment map(final int fd, final long offset, final long length, final Arena arena)
            throws IOException {
        final long wished = length < STRETCH_LENGTH ? 0 : freeStretch(length);
        final long address = Posix.mapFile(wished, length, fd, offset);
        if (address < 0) {
            throw new IOException(
                    "cannot map " + length + " bytes: " + Errno.meaning((int) -address));
        }
        return MemorySegment.ofAddress(address)
                .reinterpret(length, arena, memory -> Posix.munmap(address, length));
    }

    /**
     * Where as much could lie now, at a stretch; 0 where the kernel is to choose. Somebody else may
     * map something there before the file is: then that comes to lie elsewhere, as it would have.
     */
    private static long freeStretch(final long length) {
        final long unit = length < LARGE_PAGE_LENGTH ? STRETCH_LENGTH : LARGE_PAGE_LENGTH;
        final long lengthMost = wholePages(length) + unit;
        final long free = Posix.mapNothing(lengthMost);
        if (free < 0) {
            return 0;
        }
        Posix.munmap(free, lengthMost);
        return (free + unit - 1) & -unit;
    }

    private static long wholePages(final long length) {
        return (length + PAGE_LENGTH - 1) & -PAGE_LENGTH;
    }

    /**
     * Enters those pages of a file's mapping into the page table that are in memory, from an
     * address on or around it, in its stretch: as the first read of one does, unless the kernel was
     * told otherwise. Where the page itself is not there, or the kernel is older than 5.14, nothing
     * happens.
     *
     * @param address in a page that holds data
     */
    public static void enterStretch(final long address) {
        Posix.populateRead(address & -PAGE_LENGTH, PAGE_LENGTH);
    }

    /**
     * Reserves anonymous memory that costs nothing before it is used, zeroed.
     *
     * @param length in bytes
     * @throws OutOfMemoryError where the address space or a limit of the process is used up
     */
    public static MemorySegment reserve(final long length, final Arena arena) {
        final long address = Posix.mapAnonymous(length);
        if (address < 0) {
            throw new OutOfMemoryError(
                    "cannot reserve " + length + " bytes of memory: " + Errno.name((int) -address));
        }
        RESERVED.addAndGet(length);
        return MemorySegment.ofAddress(address)
                .reinterpret(length, arena, memory -> giveBack(address, length));
    }

    private static void giveBack(final long address, final long length) {
        final int result = Posix.munmap(address, length);
        assert result == 0;
        RESERVED.addAndGet(-length);
    }

    /** Bytes that the process has reserved, used or not, and not given back. */
    public static long reservedBytes() {
        return RESERVED.get();
    }

    /** Gives the pages behind {@code keep} bytes of reserved memory back. */
    static void release(final MemorySegment memory, final long keep) {
        final long from = wholePages(keep);
        if (from < memory.byteSize()) {
            Posix.dontNeed(memory.address() + from, memory.byteSize() - from);
        }
    }
}
