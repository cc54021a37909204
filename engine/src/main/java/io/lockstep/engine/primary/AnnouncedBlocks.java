package io.lockstep.engine.primary;

import io.lockstep.engine.memory.VirtualMemory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * By block of a shared disk, the announcement that covers it last: its frame's number in the {@link
 * ForwardLog}, and one more, or 0 where there was none. Nothing is ever cleared: an announcement of
 * another epoch is told by its number.
 *
 * <p>Eight bytes a block in memory that is reserved, and taken where something is announced: 2 GiB
 * for each TiB of the disk that was ever written. Single threaded; allocates nothing but once for
 * each 64 GiB of the disk.
 */
final class AnnouncedBlocks implements AutoCloseable {
    /** The unit, in bytes. */
    static final int BLOCK_BITS = 12;

    /** Blocks of a part. */
    private static final int PART_BITS = 24;

    private static final long PART_MASK = (1L << PART_BITS) - 1;

    private final Arena arena = Arena.ofShared();
    private MemorySegment[] parts;

    /** Of a disk of which nothing was announced. */
    AnnouncedBlocks(final long diskLength) {
        parts = new MemorySegment[partsOf(diskLength)];
    }

    private static int partsOf(final long diskLength) {
        return Math.toIntExact((blockFrom(diskLength) + PART_MASK) >> PART_BITS);
    }

    /** The disk is longer from now on. */
    void lengthen(final long diskLength) {
        parts = Arrays.copyOf(parts, partsOf(diskLength));
    }

    /** The block in which an offset lies. */
    static long blockOf(final long offset) {
        return offset >> BLOCK_BITS;
    }

    /** The first block that lies behind an offset, whole. */
    static long blockFrom(final long offset) {
        return (offset + (1L << BLOCK_BITS) - 1) >> BLOCK_BITS;
    }

    /** The tag of a block. */
    long get(final long block) {
        final MemorySegment part = parts[(int) (block >> PART_BITS)];
        return part == null ? 0 : part.getAtIndex(ValueLayout.JAVA_LONG, block & PART_MASK);
    }

    /** Gives a run of blocks a tag. */
    void set(final long first, final long end, final long tag) {
        for (long block = first; block < end; block++) {
            part((int) (block >> PART_BITS))
                    .setAtIndex(ValueLayout.JAVA_LONG, block & PART_MASK, tag);
        }
    }

    private MemorySegment part(final int number) {
        if (parts[number] == null) {
            parts[number] = VirtualMemory.reserve(Long.BYTES << PART_BITS, arena);
        }
        return parts[number];
    }

    /** Gives its memory back. */
    @Override
    public void close() {
        arena.close();
    }
}
