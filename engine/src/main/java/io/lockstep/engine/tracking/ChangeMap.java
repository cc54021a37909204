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
 * number, and has that before it gets a bit. What the loss of power leaves of mapped memory is some
 * lines as they are and others as they were: {@link #recover} makes a map of that, which has no
 * less than a map had of which all was on stable storage.
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

    private Keeper keeper = (firstBlock, filling) -> false;

    /** Whose lines are not emptied though their filling was dropped. */
    interface Keeper {
        /**
         * Whether what a line has of a filling that was dropped still counts after the loss of
         * power, and would be missed there.
         *
         * @param firstBlock of the line's {@link #LINE_BLOCKS}
         */
        boolean keeps(long firstBlock, long filling);
    }

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

    /**
     * Makes a map of what the loss of power has left: all that lines have of fillings from one on.
     * Where that is cut off the same is found again, or more.
     *
     * @param since the older filling of a map of which all was on stable storage: what a line has
     *     of a newer one was noted later
     */
    static ChangeMap recover(final long diskLength, final Space space, final long since) {
        final MemorySegment memory = space.memory();
        space.allocate(0, HEADER_LENGTH);
        final long blocks = (diskLength + BLOCK_LENGTH - 1) >> BLOCK_BITS;
        long highest = Math.max(since, Math.max(memory.get(LONG, 0), memory.get(LONG, Long.BYTES)));
        for (long line = 0; line * LINE_BLOCKS < blocks; line++) {
            if (space.isAllocated(at(line, 0))) {
                highest = Math.max(highest, memory.get(LONG, at(line, 0)));
                highest = Math.max(highest, memory.get(LONG, at(line, 1)));
            }
        }
        final long older = highest + 1;
        for (long line = 0; line * LINE_BLOCKS < blocks; line++) {
            if (space.isAllocated(at(line, 0))) {
                unite(memory, line, since, older);
            }
        }
        WORD.setRelease(memory, 0L, older);
        WORD.setRelease(memory, (long) Long.BYTES, older + 1);
        return new ChangeMap(diskLength, space);
    }

    /** Both layers' bits go into the first one's line; until that has its number both count. */
    private static void unite(
            final MemorySegment memory, final long line, final long since, final long filling) {
        boolean isNoted = false;
        final boolean[] counts = new boolean[LAYERS];
        for (int layer = 0; layer < LAYERS; layer++) {
            counts[layer] = memory.get(LONG, at(line, layer)) >= since;
        }
        for (int word = 1; word < Long.BYTES; word++) {
            long bits = 0;
            for (int layer = 0; layer < LAYERS; layer++) {
                final long at = at(line, layer) + (long) word * Long.BYTES;
                bits |= counts[layer] ? memory.get(LONG, at) : 0;
            }
            isNoted |= bits != 0;
            WORD.setOpaque(memory, at(line, 0) + (long) word * Long.BYTES, bits);
        }
        if (isNoted) {
            WORD.setRelease(memory, at(line, 0), filling);
        }
    }

    /** Has lines kept that would be emptied otherwise. */
    void keep(final Keeper lines) {
        keeper = lines;
    }

    /** The number of the newer layer's filling; the older one's is the one before. */
    long filling() {
        return fillings[newer];
    }

    /** Where it lies. */
    Space space() {
        return space;
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
        final long end = ((offset + length - 1) >> BLOCK_BITS) + 1;
        long block = offset >> BLOCK_BITS;
        while (block < end) {
            final long line = block / LINE_BLOCKS;
            final int bit = (int) (block - line * LINE_BLOCKS);
            final int here = (int) Math.min(Long.SIZE - (bit & 63), end - block);
            final int errno = enter(line);
            if (errno != 0) {
                return errno;
            }
            set(line, 1 + (bit >> 6), -1L >>> Long.SIZE - here << bit);
            block += here;
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
        final long filling = memory.get(LONG, at);
        if (filling != fillings[newer]) {
            final boolean isKept = keeper.keeps(line * LINE_BLOCKS, filling);
            for (int word = 1; word < Long.BYTES; word++) {
                final long atWord = at + (long) word * Long.BYTES;
                if (isKept) {
                    final long bits = memory.get(LONG, atWord);
                    newerCount += Long.bitCount(bits);
                    count += Long.bitCount(bits & ~word(line, 1 - newer, word));
                } else {
                    WORD.setOpaque(memory, atWord, 0L);
                }
            }
            WORD.setRelease(memory, at, fillings[newer]);
        }
        return 0;
    }

    private void set(final long line, final int word, final long wanted) {
        final long at = at(line, newer) + (long) word * Long.BYTES;
        final long bits = memory.get(LONG, at);
        final long missing = wanted & ~bits;
        if (missing != 0) {
            newerCount += Long.bitCount(missing);
            count += Long.bitCount(missing & ~word(line, word));
            WORD.setRelease(memory, at, bits | missing);
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
