package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;

import java.util.List;

/**
 * Where the stream of a disk is taken.
 *
 * @param loop serves the primary's connection of this disk, and all that comes over it
 * @param disk as that loop sees it
 * @param guestLoop serves the guests of all disks, and has the disk when the stream has ended
 */
public record StreamPlace(IoLoop loop, Disk disk, IoLoop guestLoop) {
    /** All of them on one loop. */
    public static List<StreamPlace> on(final IoLoop loop, final List<Disk> disks) {
        return disks.stream().map(disk -> new StreamPlace(loop, disk, loop)).toList();
    }
}
