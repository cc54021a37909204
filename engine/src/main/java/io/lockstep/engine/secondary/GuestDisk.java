package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;
import static io.lockstep.engine.epoch.EpochBuffer.ZERO;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.RangeOrder;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The secondary disk as its guest sees it: the state of the last checkpoint, overlaid with the
 * guest's own writes since. While the primary replicates, writes go to the active disk. While a
 * failover's merge goes on, writes to what still lives in a buffer go there and all others to the
 * disk. After that it is the disk.
 *
 * <p>A read is of one epoch: where a commit comes between its parts it is done again (I4). A block
 * that was read from the disk counts only if it has no pre-image afterwards: the stream publishes
 * that before it overwrites. Writes that touch the same block run in the order in which they came.
 *
 * <p>On the group's loop; in steady state nothing is allocated.
 */
final class GuestDisk extends LayeredDisk {
    /** Where reads and writes go. */
    enum Mode {
        /** Not started: they fail. */
        CLOSED,
        /** Writes go to the active disk. */
        BUFFERED,
        /** What is in a buffer stays there until the merge takes it. */
        MERGING,
        /** The disk stands alone. */
        DIRECT
    }

    /** Hears of errors that the guest gets. */
    interface Owner {
        void onGuestError(String disk, long offset, int errno);
    }

    /** A zero longer than this is done piece by piece, other work of the loop between; in bytes. */
    private static final long PIECE_LENGTH = 32L << 20;

    private static final MemorySegment ZEROES = Arena.global().allocate(BLOCK_LENGTH, 8);

    private final IoLoop loop;
    private final GroupPage page;
    private final DiskBuffers buffers;
    private final Owner owner;
    private final RangeOrder order = new RangeOrder(this::begin);
    private final List<Operation> operations = new ArrayList<>();
    private Operation free;
    private Mode mode;

    /** Writes that are about to store into the active disk. */
    private int storing;

    GuestDisk(
            final Disk local,
            final IoLoop loop,
            final GroupPage page,
            final DiskBuffers buffers,
            final Mode mode,
            final Owner owner) {
        super(local);
        this.loop = loop;
        this.page = page;
        this.buffers = buffers;
        this.mode = mode;
        this.owner = owner;
    }

    void mode(final Mode newMode) {
        mode = newMode;
    }

    Mode mode() {
        return mode;
    }

    /** Whether no write is on its way into the active disk. */
    boolean isStored() {
        return storing == 0;
    }

    // ---- The disk.

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (mode == Mode.DIRECT) {
            local.read(offset, length, memory, position, completion, token);
            return;
        }
        enterSubmit();
        final Operation operation = take(offset, length, completion, token);
        operation.memory = memory;
        operation.position = position;
        if (mode == Mode.CLOSED) {
            end(operation, Errno.EIO);
        } else {
            lookUp(operation);
        }
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
        final Operation operation = take(offset, length, completion, token);
        operation.memory = memory;
        operation.position = position;
        change(operation);
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        final Operation operation = take(offset, length, completion, token);
        operation.flags = flags;
        change(operation);
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        zero(offset, length, 0, completion, token);
    }

    /**
     * The buffers are no stable storage, and hold nothing that must outlive the host: without the
     * primary's next checkpoint they are dropped anyway.
     */
    @Override
    public void flush(final Completion completion, final long token) {
        if (mode == Mode.BUFFERED) {
            enterSubmit();
            complete(completion, token, 0);
            leaveSubmit();
        } else {
            local.flush(completion, token);
        }
    }

    @Override
    public void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        if (mode == Mode.DIRECT) {
            local.extents(offset, length, into, completion, token);
            return;
        }
        into.clear();
        into.add(length, ExtentList.DATA); // as far as is known without asking three disks
        enterSubmit();
        complete(completion, token, mode == Mode.CLOSED ? Errno.EIO : 0);
        leaveSubmit();
    }

    @Override
    public IoBuffer window(final long offset, final int length) {
        return mode == Mode.DIRECT ? local.window(offset, length) : null;
    }

    @Override
    public int windowPosition(final long offset) {
        return local.windowPosition(offset);
    }

    // ---- Reads.

    private void lookUp(final Operation operation) {
        operation.mode = mode;
        operation.pending = 1;
        operation.errno = 0;
        if (mode == Mode.DIRECT) {
            readDisk(operation, operation.offset, operation.end);
        } else {
            operation.epoch = page.committedEpoch();
            lookUpBlocks(operation);
        }
        onRead(operation, 0);
    }

    private void lookUpBlocks(final Operation operation) {
        long at = operation.offset;
        while (at < operation.end) {
            final long block = DiskBuffers.blockOf(at);
            final EpochBuffer buffer = buffers.find(block);
            if (buffer == null) {
                final long runEnd = endOfRun(operation, block);
                readDisk(operation, at, runEnd);
                at = runEnd;
            } else {
                at = copy(operation, buffer, block, at);
            }
        }
    }

    private long copy(
            final Operation operation, final EpochBuffer buffer, final long block, final long at) {
        final long blockEnd = Math.min((block + 1) * BLOCK_LENGTH, operation.end);
        buffers.copy(
                buffer,
                (int) (at - block * BLOCK_LENGTH),
                (int) (blockEnd - at),
                operation.memory,
                operation.position + at - operation.offset);
        return blockEnd;
    }

    /** Where a run of blocks ends that no buffer has. */
    private long endOfRun(final Operation operation, final long first) {
        long block = first + 1;
        while (block * BLOCK_LENGTH < operation.end && buffers.find(block) == null) {
            block++;
        }
        return Math.min(block * BLOCK_LENGTH, operation.end);
    }

    private void readDisk(final Operation operation, final long from, final long to) {
        operation.pending++;
        local.read(
                from,
                (int) (to - from),
                operation.memory,
                operation.position + from - operation.offset,
                operation.onRead,
                operation.index);
    }

    private void onRead(final Operation operation, final int errno) {
        if (errno != 0) {
            operation.errno = errno;
        }
        if (--operation.pending > 0) {
            return;
        }
        if (operation.mode != mode) {
            // A failover came in between, or the end of its merge: what was overwritten, and is
            // no pre-image any more, can't be told.
            lookUp(operation);
            return;
        }
        if (mode != Mode.DIRECT && page.committedEpoch() != operation.epoch) {
            lookUp(operation); // a commit came in between: all of it again
            return;
        }
        if (operation.errno == 0 && mode == Mode.BUFFERED) {
            takeBuffered(operation);
        }
        end(operation, operation.errno);
    }

    /**
     * What the stream overwrote, or may have, while the disk was read: its pre-image, or what the
     * guest itself has written since.
     */
    private void takeBuffered(final Operation operation) {
        long at = operation.offset;
        while (at < operation.end) {
            final long block = DiskBuffers.blockOf(at);
            final EpochBuffer buffer = buffers.find(block);
            at =
                    buffer == null
                            ? Math.min((block + 1) * BLOCK_LENGTH, operation.end)
                            : copy(operation, buffer, block, at);
        }
    }

    // ---- Writes and zeroes.

    private void change(final Operation operation) {
        enterSubmit();
        if (mode == Mode.CLOSED) {
            end(operation, Errno.EIO);
        } else if (order.admit(
                DiskBuffers.blockOf(operation.offset),
                DiskBuffers.blockFrom(operation.end),
                operation.index)) {
            begin(operation.index);
        }
        leaveSubmit();
    }

    private void begin(final long index) {
        final Operation operation = operations.get((int) index);
        if (operation.isMerge()) {
            operation.merge.run();
            return;
        }
        operation.cursor = operation.offset;
        nextPiece(operation);
    }

    /** Divides what is left into pieces that go to the active disk, or to the disk itself. */
    private void nextPiece(final Operation operation) {
        if (operation.cursor == operation.end) {
            finish(operation, 0);
            return;
        }
        boolean isBuffered = mode == Mode.BUFFERED;
        operation.pieceEnd = operation.end;
        if (mode == Mode.BUFFERED) {
            operation.pieceEnd = Math.min(operation.end, operation.cursor + PIECE_LENGTH);
        } else if (mode == Mode.MERGING) {
            long block = DiskBuffers.blockOf(operation.cursor);
            final long behind =
                    DiskBuffers.blockFrom(Math.min(operation.end, operation.cursor + PIECE_LENGTH));
            isBuffered = buffers.find(block) != null;
            block++;
            while (block < behind && (buffers.find(block) != null) == isBuffered) {
                block++;
            }
            operation.pieceEnd = Math.min(operation.end, block * BLOCK_LENGTH);
        }
        if (isBuffered) {
            storing++;
            fetchEnds(operation);
        } else {
            changeDisk(operation);
        }
    }

    private void changeDisk(final Operation operation) {
        final long length = operation.pieceEnd - operation.cursor;
        if (operation.memory == null) {
            local.zero(
                    operation.cursor,
                    length,
                    operation.flags,
                    operation.onChanged,
                    operation.index);
        } else {
            local.write(
                    operation.cursor,
                    (int) length,
                    operation.memory,
                    operation.position + operation.cursor - operation.offset,
                    operation.onChanged,
                    operation.index);
        }
    }

    private void onChanged(final Operation operation, final int errno) {
        if (errno != 0) {
            finish(operation, errno);
            return;
        }
        operation.cursor = operation.pieceEnd;
        nextPiece(operation);
    }

    /** A block of which only a part is written needs the rest, at both ends of the piece. */
    private void fetchEnds(final Operation operation) {
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
    private boolean fetch(final Operation operation, final long block, final int position) {
        final EpochBuffer buffer = buffers.find(block);
        if (buffer != null) {
            buffers.copy(buffer, 0, BLOCK_LENGTH, operation.ends, position);
            return false;
        }
        operation.pending++;
        final long start = block * BLOCK_LENGTH;
        local.read(
                start,
                (int) Math.min(BLOCK_LENGTH, length() - start),
                operation.ends,
                position,
                operation.onFetched,
                operation.index);
        return true;
    }

    private void onFetched(final Operation operation, final int errno) {
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
        if (failure != 0) {
            finish(operation, failure);
            return;
        }
        operation.cursor = operation.pieceEnd;
        if (operation.cursor < operation.end && mode == Mode.BUFFERED) {
            loop.execute(operation.proceed); // a long zero: others have their turn
        } else {
            nextPiece(operation);
        }
    }

    private void takePreImage(final Operation operation, final long block, final int position) {
        final EpochBuffer hidden = buffers.findHidden(block);
        if (hidden != null) {
            buffers.copy(hidden, 0, BLOCK_LENGTH, operation.ends, position);
        }
    }

    /** Puts a piece into the active disk, at one instant. Answers 0 or an error number. */
    private int store(final Operation operation) {
        final EpochBuffer active = buffers.active();
        final long behind = DiskBuffers.blockFrom(operation.pieceEnd);
        long block = DiskBuffers.blockOf(operation.cursor);
        while (block < behind) {
            final int slot = active.find(block);
            if (slot >= 0) {
                operation.fill(active, block, slot, false);
                block++;
                continue;
            }
            final boolean isZero = operation.isZero(block);
            long runEnd = block + 1;
            while (runEnd < behind
                    && active.find(runEnd) < 0
                    && operation.isZero(runEnd) == isZero) {
                runEnd++;
            }
            final int count = (int) (runEnd - block);
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
            block = runEnd;
        }
        return 0;
    }

    private void finish(final Operation operation, final int errno) {
        order.finish(operation.index);
        end(operation, errno);
    }

    private void end(final Operation operation, final int errno) {
        final Completion completion = operation.completion;
        final long token = operation.token;
        if (errno != 0 && errno != Errno.EOPNOTSUPP && mode != Mode.CLOSED) {
            owner.onGuestError(local.name(), operation.offset, errno);
        }
        give(operation);
        complete(completion, token, errno);
    }

    // ---- The merge, in order with the guest's writes.

    /**
     * Runs an action when no write that touches these blocks is under way, and holds up those that
     * come.
     *
     * @return what {@link #leaveMerge} takes
     */
    long enterMerge(final long firstBlock, final long behindBlock, final Runnable action) {
        final Operation operation = take(0, 0, null, 0);
        operation.merge = action;
        if (order.admit(firstBlock, behindBlock, operation.index)) {
            loop.execute(() -> begin(operation.index));
        }
        return operation.index;
    }

    /** Lets the writes go on that waited. */
    void leaveMerge(final long ticket) {
        final Operation operation = operations.get((int) ticket);
        operation.merge = null;
        order.finish(ticket);
        give(operation);
    }

    // ---- Operations.

    private Operation take(
            final long offset, final long length, final Completion completion, final long token) {
        Operation operation = free;
        if (operation == null) {
            operation = new Operation(operations.size());
            operations.add(operation);
        } else {
            free = operation.next;
        }
        operation.offset = offset;
        operation.end = offset + length;
        operation.flags = 0;
        operation.completion = completion;
        operation.token = token;
        return operation;
    }

    private void give(final Operation operation) {
        operation.completion = null;
        operation.memory = null;
        operation.next = free;
        free = operation;
    }

    /** A request of the guest on its way; used again and again. */
    private final class Operation {
        private final int index;
        private final Completion onRead = (token, errno) -> onRead(this, errno);
        private final Completion onFetched = (token, errno) -> onFetched(this, errno);
        private final Completion onChanged = (token, errno) -> onChanged(this, errno);
        private final Runnable proceed = this::proceed;

        /** The blocks at both ends of the piece, where only a part of them is written. */
        private final MemorySegment ends = Arena.ofAuto().allocate(2 * BLOCK_LENGTH, 8);

        // What it is; a zero has no memory.
        private long offset;
        private long end;
        private MemorySegment memory;
        private long position;
        private int flags;
        private Completion completion;
        private long token;
        private Runnable merge;

        // Where it stands.
        private Mode mode;
        private long epoch;
        private long cursor;
        private long pieceEnd;
        private int pending;
        private int errno;
        private boolean isFirstFetched;
        private boolean isLastFetched;

        private Operation next;

        Operation(final int index) {
            this.index = index;
        }

        private void proceed() {
            nextPiece(this);
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
                    || behind(block) < Math.min(length(), (block + 1) * BLOCK_LENGTH);
        }

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
}
