package io.lockstep.engine.tracking;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.disk.OperationPool;

import java.lang.foreign.MemorySegment;

/**
 * A disk whose changes begin when the {@link ActivityLog} has the regions that they change: those
 * of hot regions at once, others when a record is durable, as if the disk took so long. Reads and
 * flushes go straight to the disk below: what waits has not completed, and need not be flushed.
 *
 * <p>On the disk's loop; but what had to wait begins in the turn of the log. In steady state
 * nothing is allocated. It lends no memory for writes.
 */
final class GuardedDisk extends LayeredDisk {
    private static final int DISCARD = -1;

    private final int number;
    private final ActivityLog activity;
    private final long lengthMax;
    private final OperationPool<Change> changes = new OperationPool<>(Change::new);

    GuardedDisk(final Disk local, final int number, final ActivityLog activity) {
        super(local);
        this.number = number;
        this.activity = activity;
        lengthMax = activity.spanMax() * activity.regionLength();
    }

    /** A change on its way; used again and again. */
    private final class Change implements ActivityLog.Waiting {
        private final int index;
        private final Completion onDone = (token, errno) -> GuardedDisk.this.onDone(this, errno);
        private long cursor;
        private long pieceEnd;
        private long end;

        /** Null where it is no write. */
        private MemorySegment memory;

        /** Of the cursor in the memory. */
        private long position;

        /** Of a zero; or that it is a discard. */
        private int flags;

        private Completion completion;
        private long token;
        private int first;
        private int last;

        Change(final int index) {
            this.index = index;
        }

        @Override
        public int firstRegion() {
            return first;
        }

        @Override
        public int lastRegion() {
            return last;
        }

        @Override
        public void onBegun() {
            submit(this);
            local.poll();
        }
    }

    @Override
    public void flush(final Completion completion, final long token) {
        local.flush(completion, token);
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        final Change change = take(offset, length, completion, token);
        change.memory = memory;
        change.position = position;
        begin(change);
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        final Change change = take(offset, length, completion, token);
        change.flags = flags;
        begin(change);
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        zero(offset, length, DISCARD, completion, token);
    }

    private Change take(
            final long offset, final long length, final Completion completion, final long token) {
        final Change change = changes.take();
        change.cursor = offset;
        change.end = offset + length;
        change.memory = null;
        change.completion = completion;
        change.token = token;
        return change;
    }

    /** Its next piece begins, or waits. */
    private void begin(final Change change) {
        change.pieceEnd = Math.min(change.end, change.cursor + lengthMax);
        change.first = activity.regionAt(number, change.cursor);
        change.last = activity.regionAt(number, Math.max(change.cursor, change.pieceEnd - 1));
        if (activity.begin(change.first, change.last)) {
            submit(change);
        } else {
            activity.await(change);
        }
    }

    private void submit(final Change change) {
        final long length = change.pieceEnd - change.cursor;
        if (change.memory != null) {
            local.write(
                    change.cursor,
                    (int) length,
                    change.memory,
                    change.position,
                    change.onDone,
                    change.index);
        } else if (change.flags == DISCARD) {
            local.discard(change.cursor, length, change.onDone, change.index);
        } else {
            local.zero(change.cursor, length, change.flags, change.onDone, change.index);
        }
    }

    private void onDone(final Change change, final int errno) {
        activity.end(change.first, change.last);
        if (errno == 0 && change.pieceEnd < change.end) {
            change.position += change.pieceEnd - change.cursor;
            change.cursor = change.pieceEnd;
            begin(change);
            local.poll();
            return;
        }
        final Completion completion = change.completion;
        final long token = change.token;
        change.completion = null;
        change.memory = null;
        changes.give(change);
        completion.onComplete(token, errno);
    }
}
