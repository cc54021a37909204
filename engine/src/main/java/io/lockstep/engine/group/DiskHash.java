package io.lockstep.engine.group;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;

/**
 * Hashes what a disk holds where it lies, for disks that have it in memory: half of the time of a
 * comparison went into copies. On the loop of the disk.
 *
 * <p>As in {@link io.lockstep.engine.disk.FileWindows}, what somebody cuts off the file under it is
 * a fault, of which the JVM makes an {@link InternalError} at the next poll of the thread; the
 * question for the file's length behind it is such a poll.
 */
public final class DiskHash {
    /** The disk has no memory for all of the range: it has to be read. */
    public static final int NO_WINDOW = -1;

    private DiskHash() {}

    /**
     * Hashes a range, piece by piece, unless the disk has no memory for it.
     *
     * @param offset of a piece, in bytes
     * @param into where the hashes go, from a position on
     * @return 0, an error number, or {@link #NO_WINDOW}
     */
    public static int hash(
            final Disk disk,
            final long offset,
            final int length,
            final PieceHash hash,
            final MemorySegment into,
            final long position) {
        final IoBuffer window = disk.window(offset, length);
        if (window == null) {
            return NO_WINDOW;
        }
        final int start = disk.windowPosition(offset);
        try {
            hash.hash(window.segment(), start, length, into, position);
            return window.isWholeTo(start + length) ? 0 : Errno.ENXIO;
        } catch (final InternalError fault) {
            return window.isWholeTo(start + length) ? Errno.EIO : Errno.ENXIO;
        }
    }
}
