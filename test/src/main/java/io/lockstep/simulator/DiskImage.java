package io.lockstep.simulator;

import java.util.Arrays;
import java.util.TreeMap;

/**
 * The content of a disk, sparse: 4 KiB blocks by their index; one that is not there is a hole. A
 * block's bytes are never changed once it is in an image, so that images share them.
 */
public final class DiskImage {
    /** Bytes in a block. */
    public static final int BLOCK_LENGTH = 4096;

    /** The block that is allocated and known to read as zeroes. */
    static final byte[] ZERO_BLOCK = new byte[BLOCK_LENGTH];

    private final TreeMap<Long, byte[]> blocks;

    DiskImage() {
        blocks = new TreeMap<>();
    }

    /** A copy, which costs no bytes. */
    DiskImage(final DiskImage other) {
        blocks = new TreeMap<>(other.blocks);
    }

    /** The bytes of a range. */
    public byte[] read(final long offset, final int length) {
        final byte[] bytes = new byte[length];
        int done = 0;
        while (done < length) {
            final int within = (int) ((offset + done) % BLOCK_LENGTH);
            final int part = Math.min(length - done, BLOCK_LENGTH - within);
            final byte[] block = blocks.get((offset + done) / BLOCK_LENGTH);
            if (block != null) {
                System.arraycopy(block, within, bytes, done, part);
            }
            done += part;
        }
        return bytes;
    }

    /** Whether two images read the same. */
    public boolean readsAs(final DiskImage other) {
        return isCoveredBy(other) && other.isCoveredBy(this);
    }

    private boolean isCoveredBy(final DiskImage other) {
        return blocks.entrySet().stream()
                .allMatch(
                        entry ->
                                Arrays.equals(
                                        entry.getValue(), other.blockOrZeroes(entry.getKey())));
    }

    /** A block's bytes, not to be changed, or null for a hole. */
    byte[] block(final long index) {
        return blocks.get(index);
    }

    /**
     * Whether a block was zeroed as a whole: the one block, not any that happens to be all zeroes.
     */
    @SuppressWarnings("ReferenceEquality")
    boolean isZeroBlock(final long index) {
        return blocks.get(index) == ZERO_BLOCK;
    }

    byte[] blockOrZeroes(final long index) {
        return blocks.getOrDefault(index, ZERO_BLOCK);
    }

    /** Sets a block, which is not to be changed from now on, or makes it a hole with null. */
    void block(final long index, final byte[] bytes) {
        if (bytes == null) {
            blocks.remove(index);
        } else {
            blocks.put(index, bytes);
        }
    }

    /**
     * The first block from {@code from} on, below {@code end}, that isn't a hole; {@code end} for
     * none.
     */
    long nextBlock(final long from, final long end) {
        final Long next = blocks.ceilingKey(from);
        return next == null ? end : Math.min(next, end);
    }
}
