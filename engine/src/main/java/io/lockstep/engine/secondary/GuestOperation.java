package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;

import io.lockstep.engine.disk.Disk.Completion;
import io.lockstep.engine.epoch.EpochBuffer;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.LongConsumer;

/**
 * A request of the secondary's guest on its way through {@link GuestDisk}, and which part of which
 * block it is about; used again and again. On the group's loop.
 */
final class GuestOperation {
    private static final MemorySegment ZEROES = Arena.global().allocate(BLOCK_LENGTH, 8);

    final int index;
    final Completion onRead;
    final Completion onFetched;
    final Completion onChanged;
    final Runnable proceed;

    /** The blocks at both ends of the piece, where only a part of them is written. */
    final MemorySegment ends = Arena.ofAuto().allocate(2 * BLOCK_LENGTH, 8);

    private final long diskLength;

    // What it is; a zero has no memory.
    long offset;
    long end;
    MemorySegment memory;
    long position;
    int flags;
    Completion completion;
    long token;

    /** What the merge does in its turn among the guest's writes; null where it is the guest's. */
    LongConsumer merge;

    // Where it stands.
    GuestDisk.Mode mode;
    long epoch;
    long cursor;
    long pieceEnd;
    int pending;
    int errno;
    boolean isFirstFetched;
    boolean isLastFetched;

    /**
     * One that is not in use.
     *
     * @param index its number among its disk's
     */
    GuestOperation(final int index, final GuestDisk disk, final ActiveDisk active) {
        this.index = index;
        diskLength = disk.length();
        onRead = (number, result) -> disk.onRead(this, result);
        onFetched = (number, result) -> active.onFetched(this, result);
        onChanged = (number, result) -> disk.onChanged(this, result);
        proceed = () -> disk.nextPiece(this);
    }

    boolean isMerge() {
        return merge != null;
    }

    private long start(final long block) {
        return Math.max(cursor, block * BLOCK_LENGTH);
    }

    private long behind(final long block) {
        return Math.min(pieceEnd, (block + 1) * BLOCK_LENGTH);
    }

    /** Whether the piece leaves a part of the block, as far as the disk has it, as it is. */
    boolean isPartial(final long block) {
        return start(block) > block * BLOCK_LENGTH
                || behind(block) < Math.min(diskLength, (block + 1) * BLOCK_LENGTH);
    }

    /** Whether the piece makes all of the block zero. */
    boolean isZero(final long block) {
        return memory == null && !isPartial(block);
    }

    /**
     * Puts the piece's part of a block into a slot.
     *
     * @param isNew whether the slot lacks the rest of the block
     */
    void fill(final EpochBuffer active, final long block, final int slot, final boolean isNew) {
        final MemorySegment arena = active.arena();
        final long target = EpochBuffer.position(slot);
        if (isNew && isPartial(block)) {
            final int source = block == DiskBuffers.blockOf(cursor) ? 0 : BLOCK_LENGTH;
            MemorySegment.copy(ends, source, arena, target, BLOCK_LENGTH);
        }
        final long from = start(block);
        final long count = behind(block) - from;
        final long at = target + from - block * BLOCK_LENGTH;
        if (memory == null) {
            MemorySegment.copy(ZEROES, 0, arena, at, count);
        } else {
            MemorySegment.copy(memory, position + from - offset, arena, at, count);
        }
    }
}
