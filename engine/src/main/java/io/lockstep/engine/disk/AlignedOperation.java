package io.lockstep.engine.disk;

import java.lang.foreign.MemorySegment;

/** An operation of an {@link AlignedDisk} on its way; used again and again. On the disk's loop. */
final class AlignedOperation {
    /** What it does. */
    enum Kind {
        READ,
        WRITE,
        ZERO
    }

    final int index;
    final Disk.Completion onEdgeRead;
    final Disk.Completion onDone;

    // What it is.
    Kind kind = Kind.READ;
    long offset;
    long end;
    MemorySegment memory;
    long position;
    int flags;
    Disk.Completion completion;
    long token;

    // Where it stands.
    long cursor;

    /** The units that the present piece touches. */
    long pieceStart;

    long pieceEnd;
    BounceBuffers.Buffer buffer;
    int pending;
    int errno;

    AlignedOperation(final int index, final AlignedDisk disk) {
        this.index = index;
        onEdgeRead = (ignored, failure) -> disk.onEdgeRead(this, failure);
        onDone = (ignored, failure) -> disk.onDone(this, failure);
    }

    /** Behind the last byte of it that lies in the piece. */
    long dataEnd() {
        return Math.min(end, pieceEnd);
    }
}
