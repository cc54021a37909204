package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.disk.OperationPool;
import io.lockstep.engine.disk.RangeOrder;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.group.DiskHash;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.tracking.Tracking;

import java.lang.foreign.MemorySegment;

/**
 * A disk of the primary's guest: reads are the local disk's; what changes it is put into the
 * forward log, done on the local disk from there, answered, and forwarded. Operations that overlap
 * reach the local disk in the log's order (I2).
 *
 * <p>What a failed change leaves on the local disk nobody knows: it is read back, in its turn, and
 * that is forwarded. So both disks hold the same there too (I2), and a seal that comes after the
 * guest was told of the error has it (I1).
 *
 * <p>A discard is done, and forwarded, as a zero: both disks must agree on what it leaves. Without
 * a log, since the secondary was given up, changes go to the local disk, and are noted.
 *
 * <p>On the guest's loop; in steady state nothing is allocated.
 */
class PrimaryDisk extends LayeredDisk implements PrimaryOperation.Owner {
    /**
     * A zero is forwarded in pieces of this length, in bytes: each is answered by itself, so that a
     * secondary that takes long for all of it is not silent meanwhile.
     */
    private static final long ZERO_LENGTH_MAX = 16L << 20;

    private static final Completion NOBODY = (token, errno) -> {};

    private final PrimaryDiskOwner owner;
    private final int number;
    private final Lane lane;
    private final ForwardLog log;
    private final RoomQueue room;
    private final Tracking tracking;
    private final GuestWatch watch;

    private final ForwardedFlushes flushes;
    private final OutOfSync outOfSync;
    private final RangeOrder order = new RangeOrder(this::begin);
    private final OperationPool<PrimaryOperation> operations =
            new OperationPool<>(index -> new PrimaryOperation(index, lane().number(), this));
    private long writeCount;
    private long writtenLength;

    /** Changes of the guest that have failed on the local disk. */
    private long failures;

    PrimaryDisk(
            final Disk local,
            final OutOfSync outOfSync,
            final PrimaryDiskOwner owner,
            final int number,
            final Lane lane,
            final Tracking tracking) {
        super(local);
        this.outOfSync = outOfSync;
        this.owner = owner;
        this.number = number;
        this.lane = lane;
        log = lane.log();
        room = lane.room();
        this.tracking = tracking;
        watch = lane.watch();
        flushes = new ForwardedFlushes(number, lane, owner);
    }

    Disk local() {
        return local;
    }

    /** The way of what changes it. */
    Lane lane() {
        return lane;
    }

    /**
     * It is longer from now on, which is recorded, and for which the tracking has room.
     *
     * @param isEqual whether the secondary is known to hold the same behind the old end
     */
    void lengthen(final long newLength, final boolean isEqual) {
        super.lengthen(newLength);
        tracking.lengthen(number, newLength, isEqual);
        outOfSync.lengthen(newLength, isEqual);
    }

    /**
     * What is to be sent becomes what has changed here; where that is not known, it is compared.
     */
    void prepareToSend() {
        outOfSync.set(tracking.disk(number));
        tracking.forEachSuspect(number, outOfSync.unknown()::add);
    }

    /**
     * How it is now.
     *
     * @param isLinked whether the secondary gets what is written
     */
    GroupStatus.DiskStatus status(final boolean isLinked) {
        return new GroupStatus.DiskStatus(
                name(),
                length(),
                writeCount,
                writtenLength,
                0,
                0,
                isLinked ? outOfSync.length() : tracking.length(number));
    }

    // ---- A synchronisation, or a verification.

    /** How many changes have failed, whose ranges are read back and sent as they are. */
    long failures() {
        return failures;
    }

    /** The peer was found to differ in a range. */
    void noteDifference(final long offset, final long end) {
        tracking.mark(number, offset, end - offset);
    }

    /** What it has still to do here. */
    OutOfSync outOfSync() {
        return outOfSync;
    }

    /** Blocks that the secondary has changed by itself are to be sent; 64 a word, from one on. */
    void noteTail(final long firstBlock, final long[] bits) {
        BlockSet.forEach(
                firstBlock,
                bits,
                block -> {
                    final long offset = block * BlockSet.BLOCK_LENGTH;
                    if (offset < length()) {
                        tracking.mark(number, offset, 1);
                        outOfSync.waiting().add(block);
                    }
                });
    }

    /** Holes are looked for: what changes from now on, or is about to, may be none any more. */
    void beginLook() {
        outOfSync.beginLook();
        order.forEach(outOfSync::touch);
    }

    /**
     * Puts a part of the disk into the log as it is, in its turn.
     *
     * @param isHole whether it is one, and nothing of it has changed since that was looked for
     * @return its frame, or -1 where the log has no room
     */
    long forward(final long offset, final long end, final boolean isHole) {
        final PrimaryOperation operation =
                take(
                        isHole ? ForwardLog.Kind.ZERO : ForwardLog.Kind.WRITE,
                        offset,
                        end - offset,
                        NOBODY,
                        0);
        operation.isHole = isHole;
        return enterForSynchroniser(operation);
    }

    /**
     * Puts what a range holds into the log, to be compared, in its turn.
     *
     * @param hash with the session's key
     * @param buffer for what is read, where the disk has not all of it in memory; null where
     *     nothing is there but zeroes
     * @param whenRead the buffer is free again; where it can't be read nothing is compared
     * @return its frame, or -1 where the log has no room, and the buffer is free
     */
    long compare(
            final long offset,
            final long end,
            final PieceHash hash,
            final MemorySegment buffer,
            final Completion whenRead) {
        final PrimaryOperation operation =
                take(ForwardLog.Kind.HASH, offset, end - offset, whenRead, 0);
        operation.memory = buffer;
        operation.hash = hash;
        operation.isHole = buffer == null;
        return enterForSynchroniser(operation);
    }

    private long enterForSynchroniser(final PrimaryOperation operation) {
        operation.isOfSynchroniser = true;
        if (!claim(operation)) {
            give(operation);
            return -1;
        }
        final long frame = operation.frame;
        onClaimed(operation);
        local.poll();
        return frame;
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
        final PrimaryOperation operation =
                take(ForwardLog.Kind.WRITE, offset, length, completion, token);
        operation.memory = memory;
        operation.position = position;
        submit(operation);
    }

    @Override
    public boolean hasWriteWindow(final long offset, final int length) {
        return length <= log.payloadLengthMax() && room.isLogging();
    }

    /** Lends the place in the log that the payload would be copied to. */
    @Override
    public boolean openWriteWindow(final long offset, final int length, final WriteWindow window) {
        final int position =
                hasWriteWindow(offset, length) && room.mayEnter() ? log.reserve(length) : -1;
        if (position >= 0) {
            window.open(log.landing(), position, offset, length);
        }
        return position >= 0;
    }

    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
        final PrimaryOperation operation =
                take(ForwardLog.Kind.WRITE, window.offset(), window.length(), completion, token);
        operation.memory = log.landing().segment();
        operation.position = window.position();
        operation.isInLog = true;
        submit(operation);
    }

    @Override
    public void dropWriteWindow(final WriteWindow window) {
        log.cancel(window.lentPosition(), window.length());
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        final PrimaryOperation operation =
                take(ForwardLog.Kind.ZERO, offset, length, completion, token);
        operation.flags = flags;
        submit(operation);
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        zero(offset, length, 0, completion, token);
    }

    /** The guest waits for its own disk's flush, and not for the secondary's. */
    @Override
    public void flush(final Completion completion, final long token) {
        submit(take(ForwardLog.Kind.FLUSH, 0, 0, completion, token));
    }

    // ---- An operation's way.

    private void submit(final PrimaryOperation operation) {
        enterSubmit();
        operation.startNanos = watch.start();
        writeCount += operation.kind == ForwardLog.Kind.FLUSH ? 0 : 1;
        writtenLength += operation.end - operation.offset;
        enter(operation);
        leaveSubmit();
    }

    /** Takes the operation's next piece into the log, or has it wait for room. */
    private void enter(final PrimaryOperation operation) {
        if (!room.mayEnter()) {
            room.waitForTurn(operation.enterAgain);
            return;
        }
        if (!claim(operation)) {
            room.waitForRoom(operation.enterAgain);
            return;
        }
        onClaimed(operation);
    }

    @Override
    public boolean enterAgain(final PrimaryOperation operation) {
        if (room.isHopeless()) {
            refuse(operation);
            return true;
        }
        if (!claim(operation)) {
            return false;
        }
        onClaimed(operation);
        local.poll();
        return true;
    }

    /** It has its place in the log, and is begun in its turn. */
    private void onClaimed(final PrimaryOperation operation) {
        final PrimaryOperation failed = operation.failed;
        if (operation.kind == ForwardLog.Kind.FLUSH
                || order.admit(operation.cursor, operation.pieceEnd, operation.index)) {
            begin(operation.index);
        }
        tell(failed);
    }

    /** The guest hears of a failure when what that has left is before all that it does then. */
    private void tell(final PrimaryOperation failed) {
        if (failed != null) {
            finish(failed, failed.heldErrno);
        }
    }

    /** The process ends, and there will be no room: the guest's server says so. */
    private void refuse(final PrimaryOperation operation) {
        if (operation.isInLog) {
            log.cancel((int) operation.position, operation.end - operation.offset);
        }
        final PrimaryOperation failed = operation.failed;
        if (operation.isReadBack()) {
            tracking.mark(number, operation.offset, operation.end - operation.offset);
        }
        finish(operation, Errno.ESHUTDOWN);
        tell(failed);
    }

    boolean claim(final PrimaryOperation operation) {
        final boolean isClaimed = claimPlace(operation);
        if (isClaimed && !operation.isOfSynchroniser && !operation.isReadBack()) {
            owner.onEntered(operation);
        }
        return isClaimed;
    }

    private boolean claimPlace(final PrimaryOperation operation) {
        final boolean isWrite = operation.kind == ForwardLog.Kind.WRITE;
        final long lengthMax = isWrite ? log.payloadLengthMax() : ZERO_LENGTH_MAX;
        operation.pieceEnd = Math.min(operation.end, operation.cursor + lengthMax);
        final long length = operation.pieceEnd - operation.cursor;
        operation.frame = -1;
        if (operation.kind == ForwardLog.Kind.FLUSH) {
            return flushes.forward();
        }
        if (!room.isLogging()) {
            dropPlace(operation);
            tracking.mark(number, operation.cursor, length);
            outOfSync.add(operation.cursor, operation.pieceEnd);
            return true;
        }
        if (isSentLater(operation)) {
            tracking.mark(number, operation.cursor, length);
            return true;
        }
        final long frame =
                operation.isInLog
                        ? log.claimReserved(
                                number,
                                operation.cursor,
                                length,
                                owner.nanoTime(),
                                (int) operation.position)
                        : log.claim(
                                operation.kind,
                                number,
                                operation.cursor,
                                length,
                                operation.flags,
                                owner.nanoTime());
        if (frame < 0) {
            return false;
        }
        operation.frame = frame;
        if (operation.kind == ForwardLog.Kind.HASH) {
            outOfSync.onCompared(operation.cursor, operation.pieceEnd);
            return true;
        }
        tracking.mark(number, operation.cursor, length);
        outOfSync.onLogged(operation.cursor, operation.pieceEnd);
        if (isWrite && !operation.isReadBack() && !operation.isInLog) {
            MemorySegment.copy(
                    operation.memory,
                    operation.position + operation.cursor - operation.offset,
                    log.landing().segment(),
                    log.payloadPosition(operation.frame),
                    length);
        }
        return true;
    }

    /** A synchronisation comes to all of it yet: it is noted, and need not be sent twice. */
    private boolean isSentLater(final PrimaryOperation operation) {
        return !operation.isOfSynchroniser
                && !operation.isInLog
                && outOfSync.comesTo(operation.cursor, operation.pieceEnd);
    }

    /** What was received into the log is written from there, and goes no further. */
    private void dropPlace(final PrimaryOperation operation) {
        if (operation.isInLog) {
            operation.isPlaceSpare = true;
        }
    }

    private void begin(final long index) {
        final PrimaryOperation operation = operations.get(index);
        final long length = operation.pieceEnd - operation.cursor;
        final boolean isLogged = operation.frame >= 0;
        if (operation.kind == ForwardLog.Kind.HASH) {
            readToCompare(operation);
            return;
        }
        if (operation.isReadBack()) {
            if (isLogged) {
                readBack(operation);
            } else {
                onDone(operation, 0); // the secondary was given up, and the range is marked
            }
            return;
        }
        if (operation.isHole) {
            onDone(operation, 0); // it is zero here
            return;
        }
        switch (operation.kind) {
            case WRITE ->
                    local.write(
                            operation.cursor,
                            (int) length,
                            isLogged ? log.landing().segment() : operation.memory,
                            isLogged
                                    ? log.payloadPosition(operation.frame)
                                    : operation.position + operation.cursor - operation.offset,
                            operation.onDone,
                            index);
            case ZERO ->
                    local.zero(operation.cursor, length, operation.flags, operation.onDone, index);
            case FLUSH -> local.flush(operation.onDone, index);
            case HASH, ANNOUNCE, SEAL -> throw new IllegalStateException("no change of the disk");
        }
    }

    private void readToCompare(final PrimaryOperation operation) {
        if (operation.isHole) {
            onDone(operation, 0);
            return;
        }
        final int length = (int) (operation.end - operation.offset);
        final int errno =
                DiskHash.hash(
                        local,
                        operation.offset,
                        length,
                        operation.hash,
                        log.landing().segment(),
                        log.payloadPosition(operation.frame));
        operation.isHashed = errno != DiskHash.NO_WINDOW;
        if (operation.isHashed) {
            onDone(operation, errno);
            return;
        }
        local.read(
                operation.offset, length, operation.memory, 0, operation.onDone, operation.index);
    }

    private void readBack(final PrimaryOperation operation) {
        local.read(
                operation.cursor,
                (int) (operation.pieceEnd - operation.cursor),
                log.landing().segment(),
                log.payloadPosition(operation.frame),
                operation.onDone,
                operation.index);
    }

    @Override
    public void onDone(final PrimaryOperation operation, final int errno) {
        if (operation.kind != ForwardLog.Kind.FLUSH) {
            order.finish(operation.index);
        }
        if (operation.kind == ForwardLog.Kind.HASH && errno == 0 && !operation.isHashed) {
            operation.hashInto(log);
        }
        final boolean isUnknown = errno != 0 && operation.isReadBack();
        // A seal behind it, once sent, would be a checkpoint that lacks what is there.
        final boolean isPassed =
                !isUnknown
                        || owner.onUnknown(
                                local.name(), operation.cursor, operation.pieceEnd, errno);
        if (operation.frame >= 0 && isPassed) {
            log.decide(operation.frame, errno == 0);
            owner.onDecided();
        }
        final boolean isNotFast =
                errno == Errno.EOPNOTSUPP && (operation.flags & ZERO_FAST) != 0; // no failure
        final boolean isOfGuest = !operation.isReadBack() && operation.kind != ForwardLog.Kind.HASH;
        if (errno != 0 && !isNotFast && isOfGuest) {
            owner.onGuestError(local.name(), operation.cursor, errno);
            if (operation.cursor < operation.pieceEnd) {
                failures++;
                operation.heldErrno = errno;
                forwardWhatIsThere(operation);
                return;
            }
        } else if (errno == 0 && operation.pieceEnd < operation.end) {
            operation.cursor = operation.pieceEnd;
            enter(operation);
            local.poll();
            return;
        }
        finish(operation, errno);
    }

    private void finish(final PrimaryOperation operation, final int errno) {
        if (operation.isPlaceSpare) {
            log.cancel((int) operation.position, operation.end - operation.offset);
        }
        if (operation.isChangeOfGuest()) {
            watch.onDone(operation.startNanos);
        }
        if (errno != 0 || operation.isOfSynchroniser || !owner.holds(operation)) {
            end(operation, errno);
        }
    }

    private void end(final PrimaryOperation operation, final int errno) {
        final Completion completion = operation.completion;
        final long token = operation.token;
        give(operation);
        complete(completion, token, errno);
    }

    @Override
    public void answer(final PrimaryOperation operation, final int errno) {
        end(operation, errno);
        poll(); // what that has begun: nobody else may come
    }

    /**
     * All of what a failed change has left enters the log, or waits for room there, before anything
     * that comes later. With the last of it the guest is told.
     */
    private void forwardWhatIsThere(final PrimaryOperation failed) {
        final int step = log.payloadLengthMax();
        final long end = failed.pieceEnd;
        for (long at = failed.cursor; at < end; at += step) {
            final PrimaryOperation readBack =
                    take(ForwardLog.Kind.WRITE, at, Math.min(step, end - at), NOBODY, at);
            readBack.failed = at + step < end ? null : failed;
            enter(readBack);
        }
        local.poll();
    }

    private PrimaryOperation take(
            final ForwardLog.Kind kind,
            final long offset,
            final long length,
            final Completion completion,
            final long token) {
        final PrimaryOperation operation = operations.take();
        operation.begin(kind, offset, length, completion, token);
        return operation;
    }

    private void give(final PrimaryOperation operation) {
        operation.forget();
        operations.give(operation);
    }
}
