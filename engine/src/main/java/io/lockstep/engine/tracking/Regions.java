package io.lockstep.engine.tracking;

import java.util.List;

/** The regions of all disks of a group, numbered through. Unchanging. */
final class Regions {
    private final int bits;
    private final List<Long> lengths;

    /** The number of each disk's first one; and behind them, how many there are. */
    private final int[] firsts;

    Regions(final List<Long> lengths, final ActivityLimits limits) {
        bits = limits.regionBits();
        this.lengths = List.copyOf(lengths);
        firsts = new int[lengths.size() + 1];
        for (int disk = 0; disk < lengths.size(); disk++) {
            firsts[disk + 1] =
                    Math.addExact(
                            firsts[disk],
                            Math.toIntExact((lengths.get(disk) + (1L << bits) - 1) >> bits));
        }
    }

    /** Of a disk, in bytes. */
    long lengthOf(final int disk) {
        return lengths.get(disk);
    }

    int count() {
        return firsts[lengths.size()];
    }

    /** The region of a byte of a disk. */
    int at(final int disk, final long offset) {
        return firsts[disk] + (int) (offset >> bits);
    }

    /** The first region that is no more a disk's. */
    int behind(final int disk) {
        return firsts[disk + 1];
    }

    /** The disk of a region. */
    int disk(final int region) {
        int disk = 0;
        while (region >= firsts[disk + 1]) {
            disk++;
        }
        return disk;
    }

    /** Where a region begins on its disk, in bytes. */
    long offset(final int region) {
        return (long) (region - firsts[disk(region)]) << bits;
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
