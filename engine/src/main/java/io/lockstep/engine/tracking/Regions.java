package io.lockstep.engine.tracking;

import java.util.ArrayList;
import java.util.List;

/**
 * The regions of all disks of a group. A region's number has that of its disk and, in the lower
 * {@value #INDEX_BITS} bits, that within the disk: so it stays the same when disks become longer.
 * On the group's loop.
 */
final class Regions {
    /** Regions of a disk at most: of 16 MiB each they are 256 TiB. */
    static final int INDEX_BITS = 24;

    private static final int INDEX = (1 << INDEX_BITS) - 1;

    private final int bits;
    private final List<Long> lengths;

    Regions(final List<Long> lengths, final ActivityLimits limits) {
        bits = limits.regionBits();
        this.lengths = new ArrayList<>(lengths);
        lengths.forEach(this::requireFew);
    }

    private void requireFew(final long length) {
        if (length >> bits >= INDEX) {
            throw new IllegalArgumentException("a disk of " + length + " bytes is too long");
        }
    }

    int diskCount() {
        return lengths.size();
    }

    /** Of a disk, in bytes. */
    long lengthOf(final int disk) {
        return lengths.get(disk);
    }

    List<Long> lengths() {
        return List.copyOf(lengths);
    }

    /** A disk is longer from now on. */
    void lengthen(final int disk, final long length) {
        requireFew(length);
        lengths.set(disk, length);
    }

    /** The number within its disk. */
    static int indexOf(final int region) {
        return region & INDEX;
    }

    /** How many a disk has. */
    int count(final int disk) {
        return (int) ((lengths.get(disk) + (1L << bits) - 1) >> bits);
    }

    /** The region of a byte of a disk. */
    int at(final int disk, final long offset) {
        return disk << INDEX_BITS | (int) (offset >> bits);
    }

    /** The first region that is no more a disk's. */
    int behind(final int disk) {
        return (disk << INDEX_BITS) + count(disk);
    }

    /** The disk of a region. */
    int disk(final int region) {
        return region >>> INDEX_BITS;
    }

    /** Where a region begins on its disk, in bytes. */
    long offset(final int region) {
        return (long) indexOf(region) << bits;
    }

    /** Where it ends. */
    long end(final int region) {
        return Math.min(lengths.get(disk(region)), offset(region) + (1L << bits));
    }

    /** Bytes of a whole one. */
    long length() {
        return 1L << bits;
    }
}
