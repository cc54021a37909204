package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.ABSENT;
import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;
import static io.lockstep.engine.epoch.EpochBuffer.ZERO;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.epoch.GroupPage;

/**
 * The way of the guest's own writes into the active disk, piece by piece: a block of which a piece
 * has only a part is completed from what the guest sees below, and then the piece is stored at one
 * instant, in one epoch. On the group's loop; in steady state nothing is allocated.
 */
final class ActiveDisk {
    /** Hears of the end of a piece. */
    interface Owner {
        /** It is stored, or the number of the error says why not. */
        void onStored(GuestOperation operation, int errno);
    }

    private Disk local;
    private final GroupPage page;
    private final DiskBuffers buffers;
    private final Owner owner;

    /** Pieces that are on their way. */
    private int storing;

    ActiveDisk(
            final Disk local, final GroupPage page, final DiskBuffers buffers, final Owner owner) {
        this.local = local;
        this.page = page;
        this.buffers = buffers;
        this.owner = owner;
    }

    /** Another one lies below from now on; nothing is on its way. */
    void below(final Disk other) {
        local = other;
    }

    /** Whether nothing is on its way. */
    boolean isQuiet() {
        return storing == 0;
    }

    /** Takes the operation's present piece. */
    void take(final GuestOperation operation) {
        storing++;
        fetchEnds(operation);
    }

    /** A block of which only a part is written needs the rest, at both ends of the piece. */
    private void fetchEnds(final GuestOperation operation) {
        operation.epoch = page.committedEpoch();
        operation.pending = 1;
        operation.errno = 0;
        final long first = DiskBuffers.blockOf(operation.cursor);
        final long last = DiskBuffers.blockFrom(operation.pieceEnd) - 1;
        operation.isFirstFetched = false;
        operation.isLastFetched = false;
        if (operation.isPartial(first)) {
            operation.isFirstFetched = fetch(operation, first, 0);
        }
        if (last != first && operation.isPartial(last)) {
            operation.isLastFetched = fetch(operation, last, BLOCK_LENGTH);
        }
        onFetched(operation, 0);
    }

    /** Answers whether it reads the block from the disk. */
    private boolean fetch(final GuestOperation operation, final long block, final int position) {
        final EpochBuffer buffer = buffers.find(block);
        if (buffer != null) {
            buffers.copy(buffer, 0, BLOCK_LENGTH, operation.ends, position);
            return false;
        }
        operation.pending++;
        final long start = block * BLOCK_LENGTH;
        local.read(
                start,
                (int) Math.min(BLOCK_LENGTH, local.length() - start),
                operation.ends,
                position,
                operation.onFetched,
                operation.index);
        return true;
    }

    void onFetched(final GuestOperation operation, final int errno) {
        if (errno != 0) {
            operation.errno = errno;
        }
        if (--operation.pending > 0) {
            return;
        }
        if (page.committedEpoch() != operation.epoch) {
            fetchEnds(operation); // a commit came in between: what was fetched is of the past
            return;
        }
        int failure = operation.errno;
        if (failure == 0) {
            final long first = DiskBuffers.blockOf(operation.cursor);
            final long last = DiskBuffers.blockFrom(operation.pieceEnd) - 1;
            if (operation.isFirstFetched) {
                takePreImage(operation, first, 0);
            }
            if (operation.isLastFetched) {
                takePreImage(operation, last, BLOCK_LENGTH);
            }
            failure = store(operation);
        }
        storing--;
        owner.onStored(operation, failure);
    }

    private void takePreImage(
            final GuestOperation operation, final long block, final int position) {
        final EpochBuffer hidden = buffers.findHidden(block);
        if (hidden != null) {
            buffers.copy(hidden, 0, BLOCK_LENGTH, operation.ends, position);
        }
    }

    /** Puts a piece into the active disk, at one instant. Answers 0 or an error number. */
    private int store(final GuestOperation operation) {
        final EpochBuffer active = buffers.active();
        final long behind = DiskBuffers.blockFrom(operation.pieceEnd);
        long block = DiskBuffers.blockOf(operation.cursor);
        while (block < behind) {
            if (!isNew(active, operation, block)) {
                final int slot = active.find(block);
                if (slot != ZERO) {
                    operation.fill(active, block, slot, false);
                }
                block++;
                continue;
            }
            final boolean isZero = operation.isZero(block);
            long runEnd = block + 1;
            while (runEnd < behind
                    && isNew(active, operation, runEnd)
                    && operation.isZero(runEnd) == isZero) {
                runEnd++;
            }
            final int errno = storeRun(operation, active, block, (int) (runEnd - block), isZero);
            if (errno != 0) {
                return errno;
            }
            block = runEnd;
        }
        return 0;
    }

    /**
     * Whether the piece makes more of a block than the active disk has of it in this epoch: of
     * nothing zero or data, of zero data. So a block is published twice at most, whatever is done
     * to it and how often.
     */
    private static boolean isNew(
            final EpochBuffer active, final GuestOperation operation, final long block) {
        final int slot = active.find(block);
        return slot == ABSENT || (slot == ZERO && operation.memory != null);
    }

    private static int storeRun(
            final GuestOperation operation,
            final EpochBuffer active,
            final long block,
            final int count,
            final boolean isZero) {
        final int reserved = active.reserve(block, count, isZero);
        if (reserved < 0 && reserved != ZERO) {
            return -reserved;
        }
        if (!isZero) {
            for (int i = 0; i < count; i++) {
                operation.fill(active, block + i, reserved + i, true);
            }
        }
        active.publish(block, count, reserved);
        return 0;
    }
}
