package io.lockstep.engine.primary;

import io.lockstep.engine.tracking.ChangeMap;

import java.util.Arrays;
import java.util.function.LongConsumer;

/**
 * Blocks of a disk that are still to be sent; a bit each, in parts that are made where something
 * is. Single threaded. Offsets and lengths are in bytes unless said otherwise.
 */
final class BlockSet {
    /** The unit, in bytes. */
    static final int BLOCK_LENGTH = ChangeMap.BLOCK_LENGTH;

    private static final int BLOCK_BITS = 12;

    /** Words of a part: 256 MiB of disk. */
    private static final int PART_BITS = 10;

    private static final int PART_WORDS = 1 << PART_BITS;
    private static final int PART_BLOCKS = PART_WORDS * Long.SIZE;

    /** A part of which all is in the set; never written. */
    private static final long[] FULL = full();

    private long blocks;
    private long[][] parts;
    private long count;

    /**
     * Takes the blocks of a map, a bit each, the lowest first.
     *
     * @param firstBlock that of the first bit
     */
    static void forEach(final long firstBlock, final long[] bits, final LongConsumer action) {
        for (int word = 0; word < bits.length; word++) {
            for (long rest = bits[word]; rest != 0; rest &= rest - 1) {
                action.accept(
                        firstBlock + (long) word * Long.SIZE + Long.numberOfTrailingZeros(rest));
            }
        }
    }

    /** An empty set of blocks of a disk. */
    BlockSet(final long diskLength) {
        blocks = (diskLength + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        parts = new long[Math.toIntExact((blocks + PART_BLOCKS - 1) / PART_BLOCKS)][];
    }

    /** The disk is longer from now on; nothing behind its old end is in it. */
    void lengthen(final long diskLength) {
        blocks = (diskLength + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        parts = Arrays.copyOf(parts, Math.toIntExact((blocks + PART_BLOCKS - 1) / PART_BLOCKS));
    }

    private static long[] full() {
        final long[] all = new long[PART_WORDS];
        Arrays.fill(all, -1);
        return all;
    }

    /** Bytes that are in it, in whole blocks. */
    long length() {
        return count << BLOCK_BITS;
    }

    boolean isEmpty() {
        return count == 0;
    }

    void clear() {
        Arrays.fill(parts, null);
        count = 0;
    }

    /** All blocks. */
    void addAll() {
        clear();
        final long whole = blocks / PART_BLOCKS;
        Arrays.fill(parts, 0, (int) whole, FULL);
        count = whole * PART_BLOCKS;
        for (long block = count; block < blocks; block++) {
            add(block);
        }
    }

    /** The blocks that are noted. */
    void addAll(final ChangeMap changes) {
        for (long block = changes.next(0); block >= 0; block = changes.next(block + 1)) {
            add(block);
        }
    }

    /** The blocks that a range touches. */
    void add(final long offset, final long end) {
        final long behind = (end + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        long block = offset >> BLOCK_BITS;
        while (block < behind) {
            final int part = (int) (block / PART_BLOCKS);
            final boolean isWholePart =
                    block % PART_BLOCKS == 0
                            && parts[part] == null
                            && block + PART_BLOCKS <= behind;
            if (isWholePart) {
                parts[part] = FULL;
                count += PART_BLOCKS;
                block += PART_BLOCKS;
            } else {
                final int here = (int) Math.min(Long.SIZE - (block & 63), behind - block);
                put(block, -1L >>> Long.SIZE - here << block);
                block += here;
            }
        }
    }

    /** Whether it has a block that a range touches. */
    boolean touches(final long offset, final long end) {
        final long block = next(offset >> BLOCK_BITS);
        return block >= 0 && block << BLOCK_BITS < end;
    }

    /** A block, by its number. */
    void add(final long block) {
        put(block, 1L << block);
    }

    /** Blocks of the word that one is in. */
    private void put(final long block, final long wanted) {
        final int part = (int) (block / PART_BLOCKS);
        if (parts[part] == null) {
            parts[part] = new long[PART_WORDS];
        }
        final int word = word(block);
        final long missing = wanted & ~parts[part][word];
        if (missing != 0) {
            parts[part][word] |= missing;
            count += Long.bitCount(missing);
        }
    }

    @SuppressWarnings("ReferenceEquality") // it is one object
    private static boolean isFull(final long[] part) {
        return part == FULL;
    }

    private static int word(final long block) {
        return (int) (block >> 6) & PART_WORDS - 1;
    }

    /** Whether it has a block. */
    boolean has(final long block) {
        final long[] part = parts[(int) (block / PART_BLOCKS)];
        return part != null && (part[word(block)] & 1L << block) != 0;
    }

    /** Whether it has all blocks that a range touches. */
    boolean hasAll(final long offset, final long end) {
        final long first = offset >> BLOCK_BITS;
        final long behind = (end + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        return has(first) && runEnd(first, behind - first) == behind;
    }

    /** Takes out the blocks that lie as a whole in a range; the disk's last one may be shorter. */
    void removeWhole(final long offset, final long end, final long diskLength) {
        if (count == 0) {
            return;
        }
        final long behind = end == diskLength ? blocks : end >> BLOCK_BITS;
        long block = (offset + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        while (block < behind) {
            block = removeSome(block, behind);
        }
    }

    /** Those of a part, or of a word; answers the block behind them. */
    private long removeSome(final long block, final long behind) {
        final int number = (int) (block / PART_BLOCKS);
        final long partEnd = (long) (number + 1) * PART_BLOCKS;
        final boolean isWholePart = block % PART_BLOCKS == 0 && behind >= partEnd;
        if (parts[number] == null || isFull(parts[number]) && isWholePart) {
            count -= parts[number] == null ? 0 : PART_BLOCKS;
            parts[number] = null;
            return partEnd;
        }
        if (isFull(parts[number])) {
            parts[number] = FULL.clone();
        }
        final long end = Math.min(behind, (block | 63) + 1);
        final long bits = -1L << block & -1L >>> (block | 63) + 1 - end;
        final int word = word(block);
        count -= Long.bitCount(parts[number][word] & bits);
        parts[number][word] &= ~bits;
        return end;
    }

    /**
     * The first block from one on that is in it.
     *
     * @return its number, or -1 where there is none
     */
    long next(final long from) {
        long block = from;
        while (block < blocks) {
            final long[] part = parts[(int) (block / PART_BLOCKS)];
            if (part == null) {
                block = (block / PART_BLOCKS + 1) * PART_BLOCKS;
                continue;
            }
            final long rest = part[word(block)] >>> block;
            if (rest != 0) {
                return block + Long.numberOfTrailingZeros(rest);
            }
            block = (block | 63) + 1;
        }
        return -1;
    }

    /** Where the run of blocks ends that begins with one that is in it: the first that is not. */
    long runEnd(final long first, final long lengthMax) {
        final long behind = Math.min(blocks, first + lengthMax);
        long block = first + 1;
        while (block < behind) {
            final long[] part = parts[(int) (block / PART_BLOCKS)];
            final long missing = part == null ? -1 : ~part[word(block)] >>> block;
            if (missing != 0) {
                return Math.min(behind, block + Long.numberOfTrailingZeros(missing));
            }
            block = (block | 63) + 1;
        }
        return behind;
    }
}
