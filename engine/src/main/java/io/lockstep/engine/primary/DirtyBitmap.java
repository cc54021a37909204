package io.lockstep.engine.primary;

/**
 * Which parts of a disk the secondary lacks, since the primary goes on without it: a bit for every
 * 64 KiB. Single threaded.
 */
final class DirtyBitmap {
    private static final int GRAIN_BITS = 16;

    /** Words of bits that are made at a time: 4 GiB of disk. */
    private static final int PART_BITS = 10;

    /** Parts in which something is marked: most disks never have one. */
    private final long[][] parts;

    private long marked;

    /** A clean one. */
    DirtyBitmap(final long diskLength) {
        final long words = (diskLength >> GRAIN_BITS >> 6) + 1;
        parts = new long[(int) (words >> PART_BITS) + 1][];
    }

    void mark(final long offset, final long length) {
        if (length == 0) {
            return;
        }
        final long last = (offset + length - 1) >> GRAIN_BITS;
        for (long grain = offset >> GRAIN_BITS; grain <= last; grain++) {
            final int part = (int) (grain >> 6 >> PART_BITS);
            if (parts[part] == null) {
                parts[part] = new long[1 << PART_BITS];
            }
            final long[] bits = parts[part];
            final int word = (int) (grain >> 6) & (1 << PART_BITS) - 1;
            final long bit = 1L << grain;
            if ((bits[word] & bit) == 0) {
                bits[word] |= bit;
                marked++;
            }
        }
    }

    /** Bytes that are marked, in whole grains. */
    long markedLength() {
        return marked << GRAIN_BITS;
    }
}
