package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;

import java.util.List;

/**
 * Where a disk of a primary is used.
 *
 * @param disk as that loop sees it; writable
 * @param loop serves the disk's guests, and does what they ask for
 */
public record PrimaryPlace(Disk disk, IoLoop loop) {
    /** All of them on one loop. */
    public static List<PrimaryPlace> on(final IoLoop loop, final List<Disk> disks) {
        return disks.stream().map(disk -> new PrimaryPlace(disk, loop)).toList();
    }
}
