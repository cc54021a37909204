package io.lockstep.engine.tracking;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Which blocks of a disk were changed, in two layers: the newer takes changes, and the older is
 * dropped at once, whatever is in it, and becomes the newer ({@link #exchange}).
 *
 * <p>A layer has a line of 64 bytes for each {@value #LINE_BLOCKS} blocks: the number of the
 * filling that its bits belong to, and the bits. A line whose number is not that of its layer's
 * filling counts as empty, so that nothing is ever cleared; of the two layers the newer has the
 * higher number. The lines of both layers for the same blocks lie side by side.
 *
 * <p>What a killed process leaves in mapped memory is exact: a line is emptied before it gets its
 * number, and has that before it gets a bit.
 *
 * <p>One thread's; allocates nothing. Offsets and lengths are in bytes unless said otherwise.
 */
public final class ChangeMap {
    /** The unit of what is noted, in bytes. */
    public static final int BLOCK_LENGTH = 4096;

    /** Blocks of a line. */
    static final int LINE_BLOCKS = 448;

    private static final int BLOCK_BITS = 12;
    private static final int LINE_LENGTH = 64;
    private static final int LAYERS = 2;
    private static final int PAIR_LENGTH = LAYERS * LINE_LENGTH;

    /** Before the lines: the numbers of the layers' fillings. */
    private static final int HEADER_LENGTH = 4096;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final VarHandle WORD = LONG.varHandle();

    private final Space space;
    private final MemorySegment memory;
    private final long blocks;

    /** Of each layer, and which one takes changes. */
    private final long[] fillings = new long[LAYERS];

    private int newer;

    /** Blocks of the newer layer, and of both. */
    private long newerCount;

    private long count;

    /** Where a map lies. */
    public interface Space {
        /** Zeroes where nothing was stored. */
        MemorySegment memory();

        /** Whether something may have been stored around this place. */
        boolean isAllocated(long offset);

        /**
         * Sees to it that a range may be touched.
         *
         * @return 0, or an error number
         */
        int allocate(long offset, long length);
    }

    /**
     * Opens a map as it was left; one in zeroed memory is empty.
     *
     * @param diskLength in bytes
     * @param space of {@link #lengthFor} bytes at least
     */
    public ChangeMap(final long diskLength, final Space space) {
        this.space = space;
        memory = space.memory();
        space.allocate(0, HEADER_LENGTH);
        blocks = (diskLength + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        for (int layer = 0; layer < LAYERS; layer++) {
            fillings[layer] = memory.get(LONG, (long) layer * Long.BYTES);
        }
        if (fillings[0] == fillings[1]) {
            fill(0, fillings[1] + 1);
        }
        newer = fillings[0] > fillings[1] ? 0 : 1;
        recount();
    }

    /** Bytes that the map of a disk takes at most; most of them are never touched. */
    public static long lengthFor(final long diskLength) {
        final long blocks = (diskLength + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        return HEADER_LENGTH + (blocks + LINE_BLOCKS - 1) / LINE_BLOCKS * PAIR_LENGTH;
    }

    private void fill(final int layer, final long filling) {
        fillings[layer] = filling;
        WORD.setRelease(memory, (long) layer * Long.BYTES, filling);
    }

    private void recount() {
        newerCount = 0;
        count = 0;
        for (long line = 0; line * LINE_BLOCKS < blocks; line++) {
            if (space.isAllocated(at(line, 0))) {
                for (int word = 1; word < Long.BYTES; word++) {
                    newerCount += Long.bitCount(word(line, newer, word));
                    count += Long.bitCount(word(line, word));
                }
            }
        }
    }

    private static long at(final long line, final int layer) {
        return HEADER_LENGTH + line * PAIR_LENGTH + (long) layer * LINE_LENGTH;
    }

    /** Bits of a layer; the line's space is there. */
    private long word(final long line, final int layer, final int word) {
        final long at = at(line, layer);
        return memory.get(LONG, at) == fillings[layer]
                ? memory.get(LONG, at + (long) word * Long.BYTES)
                : 0;
    }

    /** Bits of both layers. */
    private long word(final long line, final int word) {
        return word(line, 0, word) | word(line, 1, word);
    }

    /**
     * Notes that a range is about to be changed: all blocks that it touches.
     *
     * @return 0, or an error number: then not all of it is noted
     */
    public int mark(final long offset, final long length) {
        if (length == 0) {
            return 0;
        }
        final long last = (offset + length - 1) >> BLOCK_BITS;
        for (long block = offset >> BLOCK_BITS; block <= last; block++) {
            final long line = block / LINE_BLOCKS;
            final int bit = (int) (block - line * LINE_BLOCKS);
            final int errno = enter(line);
            if (errno != 0) {
                return errno;
            }
            set(line, 1 + (bit >> 6), 1L << bit);
        }
        return 0;
    }

    /** Has the newer layer's line be of its filling. */
    private int enter(final long line) {
        final long at = at(line, newer);
        if (!space.isAllocated(at)) {
            final int errno = space.allocate(at(line, 0), PAIR_LENGTH);
            if (errno != 0) {
                return errno;
            }
        }
        if (memory.get(LONG, at) != fillings[newer]) {
            for (int word = 1; word < Long.BYTES; word++) {
                WORD.setOpaque(memory, at + (long) word * Long.BYTES, 0L);
            }
            WORD.setRelease(memory, at, fillings[newer]);
        }
        return 0;
    }

    private void set(final long line, final int word, final long bit) {
        final long at = at(line, newer) + (long) word * Long.BYTES;
        final long bits = memory.get(LONG, at);
        if ((bits & bit) == 0) {
            newerCount++;
            count += (word(line, word) & bit) == 0 ? 1 : 0;
            WORD.setRelease(memory, at, bits | bit);
        }
    }

    /** Drops the older layer; the newer one becomes the older, and an empty one takes changes. */
    public void exchange() {
        final int older = 1 - newer;
        fill(older, fillings[newer] + 1);
        newer = older;
        count = newerCount;
        newerCount = 0;
    }

    /** Drops everything. */
    public void clear() {
        exchange();
        exchange();
    }

    /** Bytes that are noted, in whole blocks. */
    public long length() {
        return count << BLOCK_BITS;
    }

    /**
     * The first block from one on that is noted.
     *
     * @return its number, or -1 where there is none
     */
    public long next(final long from) {
        long block = from;
        while (block < blocks) {
            final long line = block / LINE_BLOCKS;
            final int bit = (int) (block - line * LINE_BLOCKS);
            if (!space.isAllocated(at(line, 0))) {
                block = (line + 1) * LINE_BLOCKS;
                continue;
            }
            final long rest = word(line, 1 + (bit >> 6)) >>> bit;
            if (rest != 0) {
                return block + Long.numberOfTrailingZeros(rest);
            }
            block = line * LINE_BLOCKS + (bit | 63) + 1;
        }
        return -1;
    }

    /**
     * Which blocks are noted, a bit each, the lowest first.
     *
     * @param first block, a multiple of 64
     * @param words of 64 blocks each; behind the disk there is none
     */
    public void copy(
            final long first, final int words, final MemorySegment into, final long position) {
        into.asSlice(position, (long) words * Long.BYTES).fill((byte) 0);
        final long end = Math.min(blocks, first + (long) words * Long.SIZE);
        long block = next(first);
        while (block >= 0 && block < end) {
            final long at = position + (block - first >> 3);
            final byte bits = into.get(ValueLayout.JAVA_BYTE, at);
            into.set(ValueLayout.JAVA_BYTE, at, (byte) (bits | 1 << (block & 7)));
            block = next(block + 1);
        }
    }

    /** Whether a block is noted. */
    public boolean has(final long block) {
        final long line = block / LINE_BLOCKS;
        final int bit = (int) (block - line * LINE_BLOCKS);
        return space.isAllocated(at(line, 0)) && (word(line, 1 + (bit >> 6)) & 1L << bit) != 0;
    }
}
