package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.disk.OperationPool;
import io.lockstep.engine.disk.RangeOrder;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A disk that the secondary sees as well: a block of it is not overwritten before the secondary has
 * answered that its pre-image is published (I3, of a shared disk). The first touch of a block in an
 * epoch announces it, and waits for the answer; later ones do not.
 *
 * <p>Changes that touch the same block follow each other, so that a block is announced when nothing
 * earlier of it is under way, and its pre-image holds all that the epochs before have written. A
 * change belongs to the epoch in which it begins, and that is not sealed before it has ended.
 *
 * <p>On the guest's loop; in steady state nothing is allocated. See docs/shared-disk.md.
 */
final class AnnouncingDisk extends LayeredDisk {
    private final int number;
    private final Announcements group;
    private final ForwardLog log;
    private final AnnouncedBlocks blocks;
    private final ReadAhead ahead = new ReadAhead();
    private final RangeOrder order = new RangeOrder(this::begin);
    private final OperationPool<AnnouncedOperation> operations =
            new OperationPool<>(index -> new AnnouncedOperation(index, this));

    /** Those that have begun, and wait for answers, in the order in which they began. */
    private final List<AnnouncedOperation> waiting = new ArrayList<>();

    /** The first frame of the open epoch. */
    private long epochStart;

    /** Changes under way of the open epoch, and of those before it. */
    private int openCount;

    private int sealedCount;

    /** Of those of the open epoch, the ones that wait for room in the log. */
    private int roomCount;

    /** Seals that wait for what is under way of their epochs. */
    private final List<Long> seals = new ArrayList<>();

    AnnouncingDisk(
            final Disk local, final int number, final Announcements group, final ForwardLog log) {
        super(local);
        this.number = number;
        this.group = group;
        this.log = log;
        blocks = new AnnouncedBlocks(local.length());
    }

    @Override
    public void lengthen(final long newLength) {
        super.lengthen(newLength);
        blocks.lengthen(newLength);
    }

    // ---- Epochs.

    /**
     * The open epoch ends with that frame, which is decided when its changes have ended. What waits
     * for room has changed nothing, and belongs to the next one: its announcements would lie behind
     * the frame, which would wait for it.
     */
    void seal(final long frame) {
        sealedCount += openCount - roomCount;
        beginEpoch(frame + 1);
        openCount = roomCount;
        if (roomCount > 0) {
            order.forEachRunning(index -> putOff(operations.get(index), frame + 1));
        }
        seals.add(frame);
        decideSeals();
    }

    private static void putOff(final AnnouncedOperation operation, final long start) {
        if (operation.waitsForRoom) {
            operation.belongTo(start);
        }
    }

    private void beginEpoch(final long start) {
        epochStart = start;
        openCount = 0;
        ahead.onEpoch();
    }

    private void decideSeals() {
        if (sealedCount == 0 && !seals.isEmpty()) {
            seals.forEach(frame -> log.decide(frame, true));
            seals.clear();
            group.onDecided();
            group.onSealed();
        }
    }

    /** Whether all changes of the sealed epochs have ended. */
    boolean isDrained() {
        return sealedCount == 0;
    }

    /** Nothing before that frame is sent: who waits for an answer announces anew. */
    void announceAnew(final long start) {
        openCount += sealedCount;
        sealedCount = 0;
        decideSeals();
        final int count = openCount;
        beginEpoch(start);
        openCount = count;
        order.forEachRunning(index -> operations.get(index).belongTo(start));
        final List<AnnouncedOperation> all = List.copyOf(waiting);
        waiting.clear();
        all.forEach(this::announce);
    }

    // ---- The disk.

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        submit(offset, length, memory, position, 0, completion, token);
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        submit(offset, length, null, 0, flags, completion, token);
    }

    /** As zeroes: a discard leaves what nobody knows, and is no less a change. */
    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        zero(offset, length, 0, completion, token);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        local.flush(completion, token);
    }

    private void submit(
            final long offset,
            final long length,
            final MemorySegment memory,
            final long position,
            final int flags,
            final Completion completion,
            final long token) {
        final AnnouncedOperation operation = operations.take();
        operation.offset = offset;
        operation.length = length;
        operation.memory = memory;
        operation.position = position;
        operation.flags = flags;
        operation.completion = completion;
        operation.token = token;
        enterSubmit();
        if (order.admit(operation.firstBlock(), operation.endBlock(), operation.index)) {
            begin(operation.index);
        }
        leaveSubmit();
    }

    // ---- A change's way.

    private void begin(final long index) {
        final AnnouncedOperation operation = operations.get(index);
        operation.belongTo(epochStart);
        openCount++;
        announce(operation);
    }

    private void announce(final AnnouncedOperation operation) {
        if (!tryToAnnounce(operation)) {
            noteWaiting(operation);
            group.waitForRoom(operation.announceAgain);
        }
    }

    private void noteWaiting(final AnnouncedOperation operation) {
        operation.waitsForRoom = true;
        roomCount++;
    }

    /** There may be room in the log; answers whether it need not wait any more. */
    boolean announceAgain(final AnnouncedOperation operation) {
        operation.waitsForRoom = false;
        roomCount--;
        if (group.isHopeless()) {
            finish(operation, Errno.ESHUTDOWN);
            return true;
        }
        final boolean isAnnounced = tryToAnnounce(operation);
        if (!isAnnounced) {
            noteWaiting(operation);
        }
        local.poll();
        return isAnnounced;
    }

    /** Announces what of it this epoch has not announced; answers whether the log had room. */
    private boolean tryToAnnounce(final AnnouncedOperation operation) {
        if (group.isAlone()) {
            change(operation);
            return true;
        }
        final long end = operation.endBlock();
        while (operation.block < end) {
            final long tag = blocks.get(operation.block);
            if (tag > operation.epochStart) {
                operation.awaited = Math.max(operation.awaited, tag);
                operation.block++;
                continue;
            }
            final long runEnd = unannouncedEnd(operation.block, end, operation.epochStart);
            final long frame = announce(operation.block, runEnd);
            if (frame < 0) {
                return false;
            }
            operation.awaited = frame + 1;
            operation.block = runEnd;
        }
        if (operation.epochStart == epochStart) {
            announceAhead(ahead.next(operation.firstBlock(), end), end);
        }
        if (log.released() >= operation.awaited) {
            change(operation);
        } else {
            waiting.add(operation);
            group.onWaiting(operation.awaited);
        }
        return true;
    }

    private long unannouncedEnd(final long first, final long end, final long sinceFrame) {
        long block = first + 1;
        while (block < end && blocks.get(block) <= sinceFrame) {
            block++;
        }
        return block;
    }

    /** Answers the frame, or -1 where the log has no room. */
    private long announce(final long first, final long end) {
        final long start = first << AnnouncedBlocks.BLOCK_BITS;
        final long length = Math.min(end << AnnouncedBlocks.BLOCK_BITS, length()) - start;
        final long frame =
                log.claim(ForwardLog.Kind.ANNOUNCE, number, start, length, 0, group.nanoTime());
        if (frame >= 0) {
            blocks.set(first, end, frame + 1);
            log.decide(frame, true);
            group.onDecided();
        }
        return frame;
    }

    /** Whatever a stream will touch next; not where something earlier is under way. */
    private void announceAhead(final long wanted, final long from) {
        final long end = Math.min(wanted, AnnouncedBlocks.blockFrom(length()));
        long block = from;
        while (block < end) {
            if (blocks.get(block) > epochStart) {
                block++;
                continue;
            }
            final long runEnd = unannouncedEnd(block, end, epochStart);
            if (!order.isFree(block, runEnd) || announce(block, runEnd) < 0) {
                break;
            }
            block = runEnd;
        }
        ahead.announced(block);
    }

    /** Answers have come, or are not waited for any more. */
    void look() {
        int kept = 0;
        for (int i = 0; i < waiting.size(); i++) {
            final AnnouncedOperation operation = waiting.get(i);
            if (group.isAlone() || log.released() >= operation.awaited) {
                change(operation);
            } else {
                waiting.set(kept++, operation);
            }
        }
        for (int i = waiting.size() - 1; i >= kept; i--) {
            waiting.remove(i);
        }
        local.poll();
    }

    /** The next answer that somebody waits for: of the announcements before this frame. */
    long awaited() {
        long first = Long.MAX_VALUE;
        for (int i = 0; i < waiting.size(); i++) {
            first = Math.min(first, waiting.get(i).awaited);
        }
        return first;
    }

    /** Nobody will answer: what waits has failed. */
    void refuse(final int errno) {
        final List<AnnouncedOperation> all = List.copyOf(waiting);
        waiting.clear();
        all.forEach(operation -> finish(operation, errno));
    }

    private void change(final AnnouncedOperation operation) {
        if (operation.memory == null) {
            local.zero(
                    operation.offset,
                    operation.length,
                    operation.flags,
                    operation.onDone,
                    operation.index);
        } else {
            local.write(
                    operation.offset,
                    (int) operation.length,
                    operation.memory,
                    operation.position,
                    operation.onDone,
                    operation.index);
        }
    }

    void onDone(final AnnouncedOperation operation, final int errno) {
        finish(operation, errno);
    }

    private void finish(final AnnouncedOperation operation, final int errno) {
        final Completion completion = operation.completion;
        final long token = operation.token;
        final boolean isOpen = operation.epochStart == epochStart;
        order.finish(operation.index);
        operation.completion = null;
        operation.memory = null;
        operations.give(operation);
        if (isOpen) {
            openCount--;
        } else {
            sealedCount--;
            decideSeals();
        }
        complete(completion, token, errno);
    }

    /** Gives its memory back. */
    void close() {
        blocks.close();
    }
}
