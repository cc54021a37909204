package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

/**
 * How what a disk holds gets into a buffer's slots: where their memory is new, at less than half
 * the price of a load into it, which waits page by page until the kernel has cleared the page and
 * entered it into the page table. A write to the buffer's file replaces whole pages, which nobody
 * clears. It takes the disk's own bytes where they lie in memory. On the group's loop; allocates
 * nothing. Sources: {@code pwrite(2)}, {@code madvise(2)}.
 */
final class PreImage {
    private static final int NOT_COPIED = -1;

    private PreImage() {}

    /**
     * Saves a range of a disk, which nobody writes to meanwhile.
     *
     * @param offset in bytes, of a block
     * @param length in bytes, up to the end of a block or of the disk
     * @param slot the first that was reserved for it
     * @param completion within the call where that is possible
     */
    static void save(
            final Disk disk,
            final long offset,
            final int length,
            final EpochBuffer buffer,
            final int slot,
            final Disk.Completion completion,
            final long token) {
        final int errno = copy(disk, offset, length, buffer, slot);
        if (errno != NOT_COPIED) {
            completion.onComplete(token, errno);
            return;
        }
        buffer.enterPages(slot, length);
        final long position = EpochBuffer.position(slot);
        disk.read(offset, length, buffer.arena(), position, completion, token);
    }

    private static int copy(
            final Disk disk,
            final long offset,
            final int length,
            final EpochBuffer buffer,
            final int slot) {
        final IoBuffer window = buffer.isFresh(slot) ? disk.window(offset, length) : null;
        if (window == null) {
            return NOT_COPIED;
        }
        final int position = disk.windowPosition(offset);
        final int errno = buffer.fill(slot, window.segment(), position, length);
        // Of a file that was cut short the disk has to say so.
        final boolean isThere = errno != Errno.EFAULT && window.isWholeTo(position + length);
        return isThere ? errno : NOT_COPIED;
    }
}
