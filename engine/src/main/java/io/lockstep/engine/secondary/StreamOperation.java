package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;
import static io.lockstep.engine.epoch.EpochBuffer.ZERO;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.group.PieceHash;

import java.lang.foreign.MemorySegment;

/**
 * A write, a zero or a comparison of the stream on its way; used again and again. On the group's
 * loop.
 */
final class StreamOperation {
    private static final int EXTENTS_MAX = 64;

    final int index;
    final Disk.Completion onExtents;
    final Disk.Completion onRead;
    final Disk.Completion onReadToHash;
    final Disk.Completion onOverwritten;
    final Disk.Completion onFlushed;
    final ExtentList extents = new ExtentList(EXTENTS_MAX);

    // What it is.
    long offset;
    long end;
    MemorySegment memory;
    long position;

    /** Where the payload is received, instead of the memory. */
    WriteWindow window;

    /** The whole payload is there. */
    boolean isWhole;

    /** Of what is there the hashes are wanted, in the memory; it changes nothing. */
    PieceHash hash;

    /** For what has to be read to be hashed. */
    MemorySegment buffer;

    /** The payload will not come. */
    boolean isDropped;

    int flags;
    Disk.Completion completion;
    long token;
    long epoch;
    boolean isSaved;

    // Where it stands.
    long cursor;
    long pieceEnd;
    long block;
    long runEnd;
    int pending;
    int errno;

    /** There is no room for a pre-image of it. */
    boolean isFull;

    /** The run that is being saved, divided into what holds data and what is zero. */
    final long[] runBlocks = new long[2 * EXTENTS_MAX + 1];

    final int[] runCounts = new int[2 * EXTENTS_MAX + 1];
    final int[] runSlots = new int[2 * EXTENTS_MAX + 1];
    final EpochBuffer[] runBuffers = new EpochBuffer[2 * EXTENTS_MAX + 1];
    int runs;

    /** Goes on when it is known what becomes of the checkpoint that there is no room for. */
    final Runnable onJudged;

    StreamOperation(final int index, final StreamDisk owner) {
        this.index = index;
        onExtents = (token, errno) -> owner.onExtents(this, errno);
        onRead = (token, errno) -> owner.onRead(this, errno);
        onReadToHash = (token, errno) -> owner.onReadToHash(this, errno);
        onOverwritten = (token, errno) -> owner.onOverwritten(this, errno);
        onFlushed = (token, errno) -> owner.onFlushed(this, errno);
        onJudged = () -> owner.onJudged(this);
    }

    /** Whole blocks within a hole take no slot; what is not known of is data. */
    void divide(final long diskLength) {
        runs = 0;
        long done = block;
        long at = block * BLOCK_LENGTH;
        for (int i = 0; i < extents.size(); i++) {
            final long from = at;
            at += extents.length(i);
            if (extents.state(i) != ExtentList.DATA) {
                final long first = Math.max(done, DiskBuffers.blockFrom(from));
                final long behind =
                        Math.min(
                                runEnd,
                                at >= diskLength
                                        ? DiskBuffers.blockFrom(at)
                                        : DiskBuffers.blockOf(at));
                if (behind > first) {
                    add(done, first, 0);
                    add(first, behind, ZERO);
                    done = behind;
                }
            }
        }
        add(done, runEnd, 0);
    }

    private void add(final long from, final long to, final int kind) {
        if (to > from) {
            runBlocks[runs] = from;
            runCounts[runs] = (int) (to - from);
            runSlots[runs] = kind;
            runs++;
        }
    }
}
