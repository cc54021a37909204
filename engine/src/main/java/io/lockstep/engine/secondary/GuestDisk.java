package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.disk.OperationPool;
import io.lockstep.engine.disk.RangeOrder;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

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
final class GuestDisk extends LayeredDisk implements ActiveDisk.Owner {
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

    /** Hears of what the guest does to the disk, and of errors that it gets. */
    interface Owner {
        /** The disk itself is about to be changed there, and not by the primary. */
        void onChange(long offset, long length);

        void onGuestError(String disk, long offset, long length, int errno);
    }

    /** A zero longer than this is done piece by piece, other work of the loop between; in bytes. */
    private static final long PIECE_LENGTH = 32L << 20;

    private IoLoop loop;
    private final GroupPage page;
    private final DiskBuffers buffers;
    private final Owner owner;
    private final ActiveDisk active;
    private final RangeOrder order = new RangeOrder(this::begin);
    private final OperationPool<GuestOperation> operations =
            new OperationPool<>(this::newOperation);

    /** Flushes that wait for the end of the merge; their clients bound their number. */
    private final List<GuestOperation> flushes = new ArrayList<>();

    private Mode mode;

    /** Whether no merge goes on, or waits to be recorded as done. */
    private boolean isSettled;

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
        active = new ActiveDisk(local, page, buffers, this);
        isSettled = mode != Mode.MERGING;
    }

    void mode(final Mode newMode) {
        mode = newMode;
        isSettled &= mode != Mode.MERGING;
        if (mode == Mode.DIRECT && isSettled) {
            flushDisk();
        }
    }

    /**
     * Another loop has it from now on, which sees the disk below as another one. Nothing is under
     * way but flushes that wait for the end of a merge.
     */
    void moveTo(final IoLoop itsLoop, final Disk below) {
        loop = itsLoop;
        below(below);
        active.below(below);
    }

    /** The merge of all disks is done, and recorded: after a loss of power they are whole. */
    void settle() {
        isSettled = true;
        flushDisk();
    }

    Mode mode() {
        return mode;
    }

    /** Whether no write is on its way into the active disk. */
    boolean isStored() {
        return active.isQuiet();
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
        final GuestOperation operation = take(offset, length, completion, token);
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
        final GuestOperation operation = take(offset, length, completion, token);
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
        final GuestOperation operation = take(offset, length, completion, token);
        operation.flags = flags;
        change(operation);
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        zero(offset, length, 0, completion, token);
    }

    /**
     * The buffers are no stable storage. Before a failover they hold nothing that must outlive the
     * host: the primary's next checkpoint drops it. After one they do, and so a flush waits until
     * the merge has emptied them, and that is recorded (I12).
     */
    @Override
    public void flush(final Completion completion, final long token) {
        if (mode == Mode.DIRECT ? !isSettled : page.state() == GroupPage.FAILED_OVER) {
            flushes.add(take(0, 0, completion, token));
        } else if (mode == Mode.BUFFERED) {
            enterSubmit();
            complete(completion, token, 0);
            leaveSubmit();
        } else {
            local.flush(completion, token);
        }
    }

    /** Whether somebody waits for the end of the merge. */
    boolean isFlushAwaited() {
        return !flushes.isEmpty();
    }

    /** Who waits for the end of the merge gets an error: it has met one, or will not go on. */
    void failFlushes(final int errno) {
        final List<GuestOperation> waiting = List.copyOf(flushes);
        flushes.clear();
        waiting.forEach(operation -> end(operation, errno));
    }

    /** All is in the disk. Its last flush may have begun before what these are for was written. */
    private void flushDisk() {
        for (final GuestOperation operation : flushes) {
            local.flush(operation.completion, operation.token);
            give(operation);
        }
        flushes.clear();
        local.poll();
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

    // ---- Reads.

    private void lookUp(final GuestOperation operation) {
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

    private void lookUpBlocks(final GuestOperation operation) {
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
            final GuestOperation operation,
            final EpochBuffer buffer,
            final long block,
            final long at) {
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
    private long endOfRun(final GuestOperation operation, final long first) {
        long block = first + 1;
        while (block * BLOCK_LENGTH < operation.end && buffers.find(block) == null) {
            block++;
        }
        return Math.min(block * BLOCK_LENGTH, operation.end);
    }

    private void readDisk(final GuestOperation operation, final long from, final long to) {
        operation.pending++;
        local.read(
                from,
                (int) (to - from),
                operation.memory,
                operation.position + from - operation.offset,
                operation.onRead,
                operation.index);
    }

    void onRead(final GuestOperation operation, final int errno) {
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
    private void takeBuffered(final GuestOperation operation) {
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

    /** It has what is below, once nothing of it is in the buffers. */
    @Override
    public long lengthThere() {
        return mode == Mode.DIRECT ? super.lengthThere() : length();
    }

    // ---- Writes and zeroes.

    private void change(final GuestOperation operation) {
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
        final GuestOperation operation = operations.get(index);
        if (operation.isMerge()) {
            operation.merge.accept(operation.index);
            return;
        }
        operation.cursor = operation.offset;
        nextPiece(operation);
    }

    /** Divides what is left into pieces that go to the active disk, or to the disk itself. */
    void nextPiece(final GuestOperation operation) {
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
            active.take(operation);
        } else {
            changeDisk(operation);
        }
    }

    private void changeDisk(final GuestOperation operation) {
        final long length = operation.pieceEnd - operation.cursor;
        owner.onChange(operation.cursor, length);
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

    void onChanged(final GuestOperation operation, final int errno) {
        if (errno != 0) {
            finish(operation, errno);
            return;
        }
        goOn(operation);
        nextPiece(operation);
    }

    /** A fast zero that is refused has changed nothing: one that has begun is done, fast or not. */
    private static void goOn(final GuestOperation operation) {
        operation.cursor = operation.pieceEnd;
        operation.flags &= ~ZERO_FAST;
    }

    @Override
    public void onStored(final GuestOperation operation, final int errno) {
        if (errno != 0) {
            finish(operation, errno);
            return;
        }
        goOn(operation);
        if (operation.cursor < operation.end && mode == Mode.BUFFERED) {
            loop.execute(operation.proceed); // a long zero: others have their turn
        } else {
            nextPiece(operation);
        }
    }

    private void finish(final GuestOperation operation, final int errno) {
        order.finish(operation.index);
        end(operation, errno);
    }

    private void end(final GuestOperation operation, final int errno) {
        final Completion completion = operation.completion;
        final long token = operation.token;
        final boolean isFailure =
                errno != 0 && errno != Errno.EOPNOTSUPP && errno != Errno.ESHUTDOWN;
        if (isFailure && mode != Mode.CLOSED) {
            owner.onGuestError(
                    local.name(), operation.offset, operation.end - operation.offset, errno);
        }
        give(operation);
        complete(completion, token, errno);
    }

    // ---- The merge, in order with the guest's writes.

    /**
     * Runs an action when no write that touches these blocks is under way, at once where none is,
     * and holds up those that come.
     *
     * @param action with what {@link #leaveMerge} takes
     */
    void enterMerge(final long firstBlock, final long behindBlock, final LongConsumer action) {
        final GuestOperation operation = take(0, 0, null, 0);
        operation.merge = action;
        if (order.admit(firstBlock, behindBlock, operation.index)) {
            begin(operation.index);
        }
    }

    /** Lets the writes go on that waited. */
    void leaveMerge(final long ticket) {
        final GuestOperation operation = operations.get(ticket);
        operation.merge = null;
        order.finish(ticket);
        give(operation);
    }

    // ---- Operations.

    private GuestOperation newOperation(final int number) {
        return new GuestOperation(number, this, active);
    }

    private GuestOperation take(
            final long offset, final long length, final Completion completion, final long token) {
        final GuestOperation operation = operations.take();
        operation.offset = offset;
        operation.end = offset + length;
        operation.flags = 0;
        operation.completion = completion;
        operation.token = token;
        return operation;
    }

    private void give(final GuestOperation operation) {
        operation.completion = null;
        operation.memory = null;
        operations.give(operation);
    }
}
