package io.lockstep.engine.disk;

import io.lockstep.engine.disk.AlignedOperation.Kind;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;

/**
 * A disk that takes any range over one that takes whole units alone, from aligned memory, as a file
 * does that is used past the page cache: what is not aligned goes by way of memory that is, and
 * units of which a part is written are read first. Changes that touch the same unit follow each
 * other, so that none brings back what another one has overwritten beside it.
 *
 * <p>The disk's length is a multiple of the unit. On the loop of the disk below, which must be the
 * only one that writes the file; in steady state nothing is allocated. Source: {@code open(2)},
 * "O_DIRECT".
 */
public final class AlignedDisk extends LayeredDisk {
    private static final long MEMORY_MASK = 4095;

    private final int unit;
    private final BounceBuffers buffers = new BounceBuffers();
    private final RangeOrder order = new RangeOrder(this::begin);
    private final OperationPool<AlignedOperation> operations =
            new OperationPool<>(index -> new AlignedOperation(index, this));

    /**
     * Over a disk of such units.
     *
     * @param unit in bytes, a power of two
     */
    public AlignedDisk(final Disk local, final int unit) {
        super(local);
        this.unit = unit;
    }

    /** What a file's loop uses: itself, or with this disk over it where it needs that. */
    public static Disk over(final FileDisk disk, final DiskFile file) {
        return file.access().isDirect() ? new AlignedDisk(disk, file.unitLength()) : disk;
    }

    private long down(final long offset) {
        return offset & -unit;
    }

    private long up(final long offset) {
        return offset + unit - 1 & -unit;
    }

    private boolean isAligned(final long offset, final long length) {
        return ((offset | length) & unit - 1) == 0;
    }

    private static boolean isAligned(final MemorySegment memory, final long position) {
        return (memory.address() + position & MEMORY_MASK) == 0;
    }

    /** There are none past the page cache. */
    @Override
    public IoBuffer window(final long offset, final int length) {
        return null;
    }

    // ---- Operations.

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (isAligned(offset, length) && isAligned(memory, position)) {
            local.read(offset, length, memory, position, completion, token);
            return;
        }
        final AlignedOperation operation = take(Kind.READ, offset, length, completion, token);
        operation.memory = memory;
        operation.position = position;
        enterSubmit();
        nextPiece(operation);
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
        final AlignedOperation operation = take(Kind.WRITE, offset, length, completion, token);
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
        if ((flags & ZERO_FAST) != 0 && !isAligned(offset, length)) {
            enterSubmit();
            complete(completion, token, Errno.EOPNOTSUPP); // a unit that is read first is not fast
            leaveSubmit();
            return;
        }
        final AlignedOperation operation = take(Kind.ZERO, offset, length, completion, token);
        operation.flags = flags;
        change(operation);
    }

    /** Of whole units; of the rest nothing is said. */
    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        final long start = up(offset);
        final long end = Math.max(start, down(offset + length));
        local.discard(start, end - start, completion, token);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        local.flush(completion, token);
    }

    private void change(final AlignedOperation operation) {
        enterSubmit();
        if (order.admit(down(operation.offset), up(operation.end), operation.index)) {
            begin(operation.index);
        }
        leaveSubmit();
    }

    private void begin(final long index) {
        nextPiece(operations.get(index));
    }

    // ---- An operation's way.

    /** Does the next piece: as it is, or by way of a buffer of whole units. */
    private void nextPiece(final AlignedOperation operation) {
        if (operation.cursor >= operation.end) {
            finish(operation, 0);
            return;
        }
        final long wholeEnd = down(operation.end);
        final boolean isWhole =
                isAligned(operation.cursor, 0)
                        && wholeEnd > operation.cursor
                        && (operation.kind == Kind.ZERO
                                || operation.kind == Kind.WRITE && isMemoryAligned(operation));
        if (isWhole) {
            doWhole(operation, wholeEnd);
            return;
        }
        operation.pieceStart = down(operation.cursor);
        operation.pieceEnd =
                Math.min(up(operation.end), operation.pieceStart + BounceBuffers.LENGTH_MAX);
        if (operation.kind == Kind.ZERO) {
            operation.pieceEnd = operation.pieceStart + unit; // what is whole behind it goes by
        }
        operation.buffer = buffers.take((int) (operation.pieceEnd - operation.pieceStart));
        if (operation.kind == Kind.READ) {
            readPiece(operation, operation.pieceStart, operation.pieceEnd, operation.onDone);
        } else {
            readEdges(operation);
        }
    }

    private static boolean isMemoryAligned(final AlignedOperation operation) {
        return isAligned(
                operation.memory, operation.position + operation.cursor - operation.offset);
    }

    private void doWhole(final AlignedOperation operation, final long wholeEnd) {
        operation.pieceStart = operation.cursor;
        operation.pieceEnd = wholeEnd;
        final long length = wholeEnd - operation.cursor;
        if (operation.kind == Kind.ZERO) {
            local.zero(
                    operation.cursor, length, operation.flags, operation.onDone, operation.index);
        } else {
            local.write(
                    operation.cursor,
                    (int) length,
                    operation.memory,
                    operation.position + operation.cursor - operation.offset,
                    operation.onDone,
                    operation.index);
        }
    }

    /** What of the piece's first and last unit is not written stays as it is. */
    private void readEdges(final AlignedOperation operation) {
        final boolean hasHead = operation.cursor > operation.pieceStart;
        final boolean hasTail = operation.dataEnd() < operation.pieceEnd;
        final boolean isOneUnit = operation.pieceEnd - operation.pieceStart == unit;
        operation.errno = 0;
        operation.pending = 1;
        if (hasHead || hasTail && isOneUnit) {
            operation.pending++;
            final long end = operation.pieceStart + unit;
            readPiece(operation, operation.pieceStart, end, operation.onEdgeRead);
        }
        if (hasTail && !isOneUnit) {
            operation.pending++;
            final long start = operation.pieceEnd - unit;
            readPiece(operation, start, operation.pieceEnd, operation.onEdgeRead);
        }
        onEdgeRead(operation, 0);
    }

    private void readPiece(
            final AlignedOperation operation,
            final long start,
            final long end,
            final Completion whenRead) {
        local.read(
                start,
                (int) (end - start),
                operation.buffer.segment(),
                start - operation.pieceStart,
                whenRead,
                operation.index);
    }

    void onEdgeRead(final AlignedOperation operation, final int errno) {
        if (errno != 0) {
            operation.errno = errno;
        }
        if (--operation.pending > 0) {
            return;
        }
        if (operation.errno != 0) {
            onDone(operation, operation.errno);
            return;
        }
        final MemorySegment bounce = operation.buffer.segment();
        final long at = operation.cursor - operation.pieceStart;
        final long length = operation.dataEnd() - operation.cursor;
        if (operation.kind == Kind.ZERO) {
            bounce.asSlice(at, length).fill((byte) 0);
        } else {
            MemorySegment.copy(
                    operation.memory,
                    operation.position + operation.cursor - operation.offset,
                    bounce,
                    at,
                    length);
        }
        local.write(
                operation.pieceStart,
                (int) (operation.pieceEnd - operation.pieceStart),
                bounce,
                0,
                operation.onDone,
                operation.index);
    }

    void onDone(final AlignedOperation operation, final int errno) {
        if (operation.buffer != null) {
            if (operation.kind == Kind.READ && errno == 0) {
                MemorySegment.copy(
                        operation.buffer.segment(),
                        operation.cursor - operation.pieceStart,
                        operation.memory,
                        operation.position + operation.cursor - operation.offset,
                        operation.dataEnd() - operation.cursor);
            }
            buffers.give(operation.buffer);
            operation.buffer = null;
        }
        if (errno != 0) {
            finish(operation, errno);
            return;
        }
        operation.cursor = operation.pieceEnd;
        nextPiece(operation);
    }

    private void finish(final AlignedOperation operation, final int errno) {
        final Completion completion = operation.completion;
        final long token = operation.token;
        if (operation.kind != Kind.READ) {
            order.finish(operation.index);
        }
        operation.completion = null;
        operation.memory = null;
        operations.give(operation);
        complete(completion, token, errno);
    }

    private AlignedOperation take(
            final Kind kind,
            final long offset,
            final long length,
            final Completion completion,
            final long token) {
        final AlignedOperation operation = operations.take();
        operation.kind = kind;
        operation.offset = offset;
        operation.cursor = offset;
        operation.end = offset + length;
        operation.flags = 0;
        operation.completion = completion;
        operation.token = token;
        return operation;
    }
}
