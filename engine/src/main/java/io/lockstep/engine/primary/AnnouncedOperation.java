package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;

import java.lang.foreign.MemorySegment;

/** A change of a shared disk on its way; used again and again. On the guest's loop. */
final class AnnouncedOperation {
    final int index;
    final RoomQueue.Waiting announceAgain;
    final Disk.Completion onDone;

    // What it is.
    long offset;
    long length;

    /** Null where it makes zeroes. */
    MemorySegment memory;

    long position;
    int flags;
    Disk.Completion completion;
    long token;

    // Where it stands.
    /** The next block of which it is to be seen whether it is announced. */
    long block;

    /** Announcements before this frame have to be answered. */
    long awaited;

    /** Whether it waits for room in the log, and has changed nothing. */
    boolean waitsForRoom;

    /** The first frame of the epoch that it belongs to. */
    long epochStart;

    AnnouncedOperation(final int index, final AnnouncingDisk disk) {
        this.index = index;
        announceAgain = () -> disk.announceAgain(this);
        onDone = (ignored, errno) -> disk.onDone(this, errno);
    }

    /** It belongs to the epoch that begins with that frame, of which nothing is announced. */
    void belongTo(final long start) {
        epochStart = start;
        block = firstBlock();
        awaited = 0;
    }

    long firstBlock() {
        return AnnouncedBlocks.blockOf(offset);
    }

    /** The first that it does not touch. */
    long endBlock() {
        return AnnouncedBlocks.blockFrom(offset + length);
    }
}
