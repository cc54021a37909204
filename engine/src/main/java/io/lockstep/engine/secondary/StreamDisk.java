package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;
import static io.lockstep.engine.epoch.EpochBuffer.ZERO;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.disk.OperationPool;
import io.lockstep.engine.disk.RangeOrder;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.group.DiskHash;
import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The secondary disk as the primary's stream writes it: before a block is overwritten its old
 * content is published in the hidden disk, unless this epoch has it already (I3). Reads see the
 * disk itself.
 *
 * <p>Operations that touch the same block run in the order in which they came (I2); each belongs to
 * the epoch that was open when it came. An error stops the stream before anything is overwritten
 * that was not saved. On the group's loop; in steady state nothing is allocated.
 */
final class StreamDisk extends LayeredDisk {
    /** What the stream tells its group. */
    interface Owner {
        /** Whether a primary of our own kind is attached. */
        boolean isLinked();

        /** Whether pre-images are to be saved; otherwise the disk is written as it is. */
        boolean isReplicating();

        /** 0, or the number of the error with which changes are refused. */
        int errno();

        /**
         * The stream can't go on.
         *
         * @param offset where it failed; -1 where it was a flush
         * @param length of the whole change, in bytes
         */
        void onBroken(ReplicationError.Kind kind, String disk, long offset, long length, int errno);

        /**
         * There is no room for a pre-image. Whether the checkpoint that it belongs to is given up
         * instead: then nothing is overwritten before it is recorded, when the action runs.
         */
        boolean givesUpCheckpoint(Runnable whenJudged);

        /** The last operation of an epoch that is sealed has ended. */
        void onDrained();

        /** No operation is under way any more. */
        void onQuiet();
    }

    /** A zero longer than this is done piece by piece, in bytes: so much is saved at a time. */
    private static final long PIECE_LENGTH = 32L << 20;

    private static final Completion NOBODY = (token, errno) -> {};

    private final DiskBuffers buffers;
    private final Owner owner;
    private final RangeOrder order = new RangeOrder(this::begin);
    private final OperationPool<StreamOperation> operations =
            new OperationPool<>(index -> new StreamOperation(index, this));

    /** Writes that are saved and admitted, and whose payloads are still to come. */
    private final List<StreamOperation> awaiting = new ArrayList<>();

    private long openEpoch;

    /** Operations under way of the open epoch, and of the one before it. */
    private int openCount;

    private int sealedCount;

    private long writeCount;
    private long writtenLength;

    StreamDisk(
            final Disk local, final DiskBuffers buffers, final long openEpoch, final Owner owner) {
        super(local);
        this.buffers = buffers;
        this.openEpoch = openEpoch;
        this.owner = owner;
    }

    // ---- Epochs.

    long openEpoch() {
        return openEpoch;
    }

    /** Ends the open epoch: what comes from now on belongs to the next. */
    void seal() {
        openEpoch++;
        sealedCount += openCount;
        openCount = 0;
    }

    /** Epochs go on behind another one; what is under way belongs to what was before. */
    void goOnBehind(final long epoch) {
        openEpoch = epoch + 1;
        sealedCount += openCount;
        openCount = 0;
    }

    /** Whether every operation of the sealed epochs has ended. */
    boolean isDrained() {
        return sealedCount == 0;
    }

    /** Whether nothing is under way at all. */
    boolean isQuiet() {
        return order.size() == 0;
    }

    long writeCount() {
        return writeCount;
    }

    long writtenLength() {
        return writtenLength;
    }

    // ---- The disk.

    /** A range is saved at most so long at a time, in bytes. */
    static long saveLengthMax() {
        return PIECE_LENGTH;
    }

    /** Has what a range holds saved, unless this epoch has it: somebody else will overwrite it. */
    void save(final long offset, final long length, final Completion completion, final long token) {
        final StreamOperation operation = take(offset, length, completion, token);
        operation.isDropped = true; // it ends when its blocks are saved
        submit(operation);
    }

    /**
     * Hashes when all changes that came before are done, and before those that come later.
     *
     * @param buffer for what is read, where the disk has not all of the range in memory
     * @param into where the hashes go, from a position on
     */
    void hashInOrder(
            final long offset,
            final int length,
            final PieceHash hash,
            final MemorySegment buffer,
            final MemorySegment into,
            final long position,
            final Completion completion,
            final long token) {
        final StreamOperation operation = take(offset, length, completion, token);
        operation.hash = hash;
        operation.buffer = buffer;
        operation.memory = into;
        operation.position = position;
        enterSubmit();
        admit(operation);
        leaveSubmit();
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        final StreamOperation operation = take(offset, length, completion, token);
        operation.memory = memory;
        operation.position = position;
        submit(operation);
    }

    @Override
    public boolean hasWriteWindow(final long offset, final int length) {
        return owner.isLinked() && local.hasWriteWindow(offset, length);
    }

    /**
     * Saves what the write will overwrite, and then lends the disk's own memory. To the primary of
     * our own kind alone: what is torn because it was cut off, it sends again in the same epoch.
     */
    @Override
    public boolean openWriteWindow(final long offset, final int length, final WriteWindow window) {
        final boolean isPossible =
                hasWriteWindow(offset, length)
                        && owner.errno() == 0
                        && order.isFree(
                                DiskBuffers.blockOf(offset),
                                DiskBuffers.blockFrom(offset + length));
        if (!isPossible) {
            return false;
        }
        final StreamOperation operation = take(offset, length, NOBODY, 0);
        operation.window = window;
        enterSubmit();
        admit(operation);
        leaveSubmit();
        local.poll();
        if (awaiting.contains(operation) && local.openWriteWindow(offset, length, window)) {
            return true;
        }
        if (awaiting.remove(operation)) {
            finish(operation, 0);
        } else if (isOf(operation, window)) {
            operation.isDropped = true; // it ends when its blocks are saved
            operation.window = null;
        }
        return false;
    }

    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
        final StreamOperation operation = takeAwaiting(window);
        operation.completion = completion;
        operation.token = token;
        operation.isWhole = true;
        enterSubmit();
        count(operation);
        overwrite(operation);
        leaveSubmit();
    }

    @Override
    public void dropWriteWindow(final WriteWindow window) {
        local.dropWriteWindow(window);
        finish(takeAwaiting(window), 0);
    }

    private StreamOperation takeAwaiting(final WriteWindow window) {
        for (int i = 0; i < awaiting.size(); i++) {
            if (isOf(awaiting.get(i), window)) {
                return awaiting.remove(i);
            }
        }
        throw new IllegalStateException("no write waits for this payload");
    }

    @SuppressWarnings("ReferenceEquality") // a window equals itself alone
    private static boolean isOf(final StreamOperation operation, final WriteWindow window) {
        return operation.window == window;
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        if ((flags & ZERO_FAST) != 0) {
            enterSubmit();
            complete(completion, token, Errno.EOPNOTSUPP); // saving pre-images is not fast
            leaveSubmit();
            return;
        }
        final StreamOperation operation = take(offset, length, completion, token);
        operation.flags = flags;
        submit(operation);
    }

    /** Zeroes, so that it leaves on both hosts what the primary's leaves there. */
    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        zero(offset, length, 0, completion, token);
    }

    /** One that fails is told once, by the kernel, of writes that were answered long ago. */
    @Override
    public void flush(final Completion completion, final long token) {
        final StreamOperation operation = take(0, 0, completion, token);
        local.flush(operation.onFlushed, operation.index);
    }

    void onFlushed(final StreamOperation operation, final int errno) {
        final Completion completion = operation.completion;
        final long token = operation.token;
        give(operation);
        if (errno != 0 && owner.isReplicating()) {
            owner.onBroken(ReplicationError.Kind.SECONDARY_DISK, local.name(), -1, 0, errno);
        }
        complete(completion, token, errno);
    }

    // ---- An operation's way.

    private void submit(final StreamOperation operation) {
        enterSubmit();
        count(operation);
        admit(operation);
        leaveSubmit();
    }

    private void count(final StreamOperation operation) {
        writeCount++;
        writtenLength += operation.end - operation.offset;
    }

    private void admit(final StreamOperation operation) {
        operation.epoch = openEpoch;
        openCount++;
        final long start = DiskBuffers.blockOf(operation.offset);
        final long end = DiskBuffers.blockFrom(operation.end);
        if (order.admit(start, end, operation.index)) {
            begin(operation.index);
        }
    }

    private void begin(final long index) {
        final StreamOperation operation = operations.get(index);
        if (operation.hash != null) {
            hash(operation);
            return;
        }
        operation.isSaved = !owner.isReplicating();
        operation.cursor = operation.offset;
        nextPiece(operation);
    }

    private void hash(final StreamOperation operation) {
        final int length = (int) (operation.end - operation.offset);
        final int errno =
                DiskHash.hash(
                        local,
                        operation.offset,
                        length,
                        operation.hash,
                        operation.memory,
                        operation.position);
        if (errno != DiskHash.NO_WINDOW) {
            finish(operation, errno);
            return;
        }
        local.read(
                operation.offset,
                length,
                operation.buffer,
                0,
                operation.onReadToHash,
                operation.index);
    }

    void onReadToHash(final StreamOperation operation, final int errno) {
        if (errno == 0) {
            operation.hash.hash(
                    operation.buffer,
                    0,
                    operation.end - operation.offset,
                    operation.memory,
                    operation.position);
        }
        finish(operation, errno);
    }

    private void nextPiece(final StreamOperation operation) {
        if (operation.cursor == operation.end) {
            finish(operation, 0);
            return;
        }
        final int refusal = owner.errno();
        if (refusal != 0) {
            finish(operation, refusal);
            return;
        }
        operation.pieceEnd = Math.min(operation.end, operation.cursor + PIECE_LENGTH);
        operation.block = DiskBuffers.blockOf(operation.cursor);
        savePreImages(operation);
    }

    /** Finds the next run of the piece that this epoch has not saved; then overwrites the piece. */
    private void savePreImages(final StreamOperation operation) {
        final long last = DiskBuffers.blockFrom(operation.pieceEnd);
        if (!operation.isSaved) {
            final long epoch = operation.epoch;
            final EpochBuffer hidden = buffers.hidden(epoch);
            long block = operation.block;
            while (block < last && buffers.isSaved(hidden, block, epoch)) {
                block++;
            }
            long end = block;
            while (end < last && !buffers.isSaved(hidden, end, epoch)) {
                end++;
            }
            if (block < end) {
                operation.block = block;
                operation.runEnd = end;
                final long start = block * BLOCK_LENGTH;
                local.extents(
                        start,
                        byteEnd(end) - start,
                        operation.extents,
                        operation.onExtents,
                        operation.index);
                return;
            }
        }
        overwrite(operation);
    }

    private long byteEnd(final long block) {
        return Math.min(block * BLOCK_LENGTH, local.length());
    }

    void onExtents(final StreamOperation operation, final int errno) {
        operation.isFull = false;
        if (errno != 0) {
            fail(operation, errno);
            return;
        }
        operation.divide(local.length());
        operation.pending = 1;
        operation.errno = 0;
        for (int i = 0; i < operation.runs && operation.errno == 0; i++) {
            final long block = operation.runBlocks[i];
            final int count = operation.runCounts[i];
            final boolean isZero = operation.runSlots[i] == ZERO;
            final int slot = buffers.reserve(operation.epoch, block, count, isZero);
            final EpochBuffer buffer = buffers.reservedIn();
            operation.runSlots[i] = slot;
            operation.runBuffers[i] = buffer;
            if (slot >= 0) {
                operation.pending++;
                final long start = block * BLOCK_LENGTH;
                final int length = (int) (byteEnd(block + count) - start);
                PreImage.save(
                        local, start, length, buffer, slot, operation.onRead, operation.index);
            } else if (slot != ZERO) {
                operation.errno = -slot;
                operation.isFull = -slot == Errno.ENOSPC;
            }
        }
        onRead(operation, 0);
    }

    void onRead(final StreamOperation operation, final int errno) {
        if (errno != 0) {
            operation.errno = errno;
        }
        if (--operation.pending > 0) {
            return;
        }
        if (operation.errno != 0) {
            fail(operation, operation.errno);
            return;
        }
        for (int i = 0; i < operation.runs; i++) {
            operation.runBuffers[i].publish(
                    operation.runBlocks[i], operation.runCounts[i], operation.runSlots[i]);
        }
        operation.block = operation.runEnd;
        savePreImages(operation);
    }

    private void fail(final StreamOperation operation, final int errno) {
        operation.errno = errno;
        if (!operation.isFull || !owner.givesUpCheckpoint(operation.onJudged)) {
            breakStream(operation, errno);
        }
    }

    /** What there was no room for is given up, or the stream is refused meanwhile. */
    void onJudged(final StreamOperation operation) {
        final int refusal = owner.errno();
        if (refusal != 0) {
            finish(operation, refusal);
        } else if (owner.isReplicating()) {
            breakStream(operation, operation.errno);
        } else {
            operation.isSaved = true;
            overwrite(operation);
        }
    }

    private void breakStream(final StreamOperation operation, final int errno) {
        owner.onBroken(
                ReplicationError.Kind.PRE_IMAGE,
                local.name(),
                operation.block * BLOCK_LENGTH,
                operation.end - operation.offset,
                errno);
        finish(operation, errno);
    }

    private void overwrite(final StreamOperation operation) {
        if (operation.isDropped) {
            finish(operation, 0);
            return;
        }
        if (operation.window != null && !operation.isWhole) {
            awaiting.add(operation);
            return;
        }
        // Another operation may have broken the stream while this one's pre-images were read.
        final int refusal = owner.errno();
        if (refusal != 0) {
            if (operation.window != null) {
                local.dropWriteWindow(operation.window);
            }
            finish(operation, refusal);
            return;
        }
        final long length = operation.pieceEnd - operation.cursor;
        if (operation.window != null) {
            local.write(operation.window, operation.onOverwritten, operation.index);
        } else if (operation.memory == null) {
            local.zero(
                    operation.cursor,
                    length,
                    operation.flags,
                    operation.onOverwritten,
                    operation.index);
        } else {
            local.write(
                    operation.cursor,
                    (int) length,
                    operation.memory,
                    operation.position + operation.cursor - operation.offset,
                    operation.onOverwritten,
                    operation.index);
        }
    }

    void onOverwritten(final StreamOperation operation, final int errno) {
        if (errno != 0) {
            owner.onBroken(
                    ReplicationError.Kind.SECONDARY_DISK,
                    local.name(),
                    operation.cursor,
                    operation.end - operation.offset,
                    errno);
            finish(operation, errno);
            return;
        }
        operation.cursor = operation.pieceEnd;
        nextPiece(operation);
    }

    private void finish(final StreamOperation operation, final int errno) {
        final Completion completion = operation.completion;
        final long token = operation.token;
        final boolean isOpen = operation.epoch == openEpoch;
        final int index = operation.index;
        order.finish(index);
        give(operation);
        if (isOpen) {
            openCount--;
        } else {
            sealedCount--;
        }
        complete(completion, token, errno);
        if (!isOpen && sealedCount == 0) {
            owner.onDrained();
        }
        if (order.size() == 0) {
            owner.onQuiet();
        }
    }

    private StreamOperation take(
            final long offset, final long length, final Completion completion, final long token) {
        final StreamOperation operation = operations.take();
        operation.offset = offset;
        operation.end = offset + length;
        operation.flags = 0;
        operation.completion = completion;
        operation.token = token;
        return operation;
    }

    private void give(final StreamOperation operation) {
        operation.completion = null;
        operation.memory = null;
        operation.window = null;
        operation.isWhole = false;
        operation.isDropped = false;
        operation.hash = null;
        operation.buffer = null;
        operations.give(operation);
    }
}
