package io.lockstep.engine.primary;

/**
 * Which parts of a disk the secondary lacks, since the primary goes on without it: a bit for every
 * 64 KiB. Single threaded.
 */
final class DirtyBitmap {
    private static final int GRAIN_BITS = 16;

    private final long[] bits;
    private long marked;

    /** A clean one. */
    DirtyBitmap(final long diskLength) {
        final long grains = (diskLength >> GRAIN_BITS) + 1;
        bits = new long[(int) (grains / Long.SIZE) + 1];
    }

    void mark(final long offset, final long length) {
        if (length == 0) {
            return;
        }
        final long last = (offset + length - 1) >> GRAIN_BITS;
        for (long grain = offset >> GRAIN_BITS; grain <= last; grain++) {
            final int word = (int) (grain >> 6);
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
