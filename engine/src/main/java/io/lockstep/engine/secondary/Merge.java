package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;
import static io.lockstep.engine.epoch.EpochBuffer.ZERO;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * The background half of a failover, for one disk: puts what the buffers have into the disk, active
 * over hidden, run by run along the buffers' extents, and has them forget it. Then the disk is all
 * that there is. The guest reads and writes meanwhile. Its flushes wait for the end, and while one
 * does, or the process is to end, the merge hurries: others of the loop get fewer turns.
 *
 * <p>A kill at any moment is harmless: a block is forgotten when the disk has it, and a merge that
 * begins again finds the rest. An error is told and tried again. On the group's loop, at a turn a
 * piece, or several short ones that come to its length.
 */
final class Merge {
    /** Hears how it goes. */
    interface Owner {
        /** The disk is about to be changed there. */
        void onChange(long offset, long length);

        /** The disk has refused a piece; it will be tried again. */
        void onMergeFailed(String disk, long offset, int errno);

        /** All is in the disk, and on stable storage. */
        void onMerged();
    }

    private static final int PIECE_BLOCKS = 64;
    private static final int HURRIED_PIECE_BLOCKS = 1024;

    /** Some tenths of a millisecond. */
    private static final long GIVE_BACK_LENGTH = 4L << 20;

    private static final long RETRY_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final IoLoop loop;
    private final Disk local;
    private final DiskBuffers buffers;
    private final GuestDisk guest;
    private final Owner owner;
    private final EpochBuffer[] sources;
    private final long[] nextExtents;
    private final Disk.Completion onWritten = (token, errno) -> onWritten(errno);
    private final LongConsumer onEntered = this::writePiece;

    private long block;
    private long extentEnd;

    /** Where the blocks end that the guest's writes keep away from, while a piece is written. */
    private long behind;

    private long ticket;
    private int pieceLength;
    private boolean isHurried;
    private boolean isStopped;

    private long done;
    private final long total;

    /** Of this turn of the loop: blocks that were written, and whether it goes on with more. */
    private int turnBlocks;

    private boolean isInTurn;
    private boolean goesOn;

    Merge(
            final IoLoop loop,
            final Disk local,
            final DiskBuffers buffers,
            final GuestDisk guest,
            final Owner owner) {
        this.loop = loop;
        this.local = local;
        this.buffers = buffers;
        this.guest = guest;
        this.owner = owner;
        sources = buffers.uncommitted();
        nextExtents = new long[sources.length];
        long blocks = 0;
        for (final EpochBuffer buffer : sources) {
            blocks += buffer.blockCount();
        }
        total = blocks;
    }

    /** Begins behind the guest's head start, with the cores to itself until then. */
    void start() {
        if (guest.isFlushAwaited()) {
            loop.execute(this::step);
        } else {
            loop.schedule(SecondaryGroup.HEAD_START_NANOS, this::step);
        }
    }

    /** Somebody waits for its end. */
    void hurry() {
        isHurried = true;
    }

    private int pieceBlocks() {
        return isHurried || guest.isFlushAwaited() ? HURRIED_PIECE_BLOCKS : PIECE_BLOCKS;
    }

    /** It goes no further; for the end of a process. */
    void stop() {
        isStopped = true;
    }

    /** Bytes that were to be looked through, at the beginning. */
    long totalLength() {
        return total * BLOCK_LENGTH;
    }

    /** Bytes that are settled. */
    long doneLength() {
        return Math.min(done, total) * BLOCK_LENGTH;
    }

    /** A turn of the loop: pieces until it has come to the length of one, or one has to wait. */
    private void step() {
        turnBlocks = 0;
        isInTurn = true;
        do {
            goesOn = false;
            stepOnce();
        } while (goesOn);
        isInTurn = false;
    }

    private void stepOnce() {
        if (isStopped) {
            return;
        }
        if (!findLive()) {
            finish();
            return;
        }
        behind = Math.min(extentEnd, block + pieceBlocks());
        guest.enterMerge(block, behind, onEntered);
    }

    /** Goes to the next block that a buffer still has. Answers whether there is one. */
    private boolean findLive() {
        while (true) {
            while (block < extentEnd) {
                if (buffers.find(block) != null) {
                    return true;
                }
                block++;
                done++;
            }
            if (!nextExtent()) {
                return false;
            }
        }
    }

    /** The active disk may get more of them, as the guest writes. */
    private boolean nextExtent() {
        for (int source = 0; source < sources.length; source++) {
            final EpochBuffer buffer = sources[source];
            if (nextExtents[source] < buffer.extentCount()) {
                final long extent = nextExtents[source]++;
                block = buffer.extentBlock(extent);
                extentEnd = block + buffer.extentLength(extent);
                return true;
            }
        }
        return false;
    }

    /** Writes the blocks that lie side by side in one buffer, from the present one on. */
    private void writePiece(final long entered) {
        ticket = entered;
        if (isStopped) {
            guest.leaveMerge(ticket); // writes of the guest may wait for it
            return;
        }
        final EpochBuffer buffer = buffers.find(block);
        final int first = buffers.slot();
        pieceLength = 1;
        while (block + pieceLength < behind
                && buffers.find(block + pieceLength) == buffer
                && buffers.slot() == (first == ZERO ? ZERO : first + pieceLength)) {
            pieceLength++;
        }
        final long start = block * BLOCK_LENGTH;
        final long length = Math.min((long) pieceLength * BLOCK_LENGTH, local.length() - start);
        owner.onChange(start, length);
        if (first == ZERO) {
            local.zero(start, length, 0, onWritten, 0);
        } else {
            local.write(
                    start, (int) length, buffer.arena(), EpochBuffer.position(first), onWritten, 0);
        }
        local.poll();
    }

    private void onWritten(final int errno) {
        if (isStopped) {
            guest.leaveMerge(ticket);
            return;
        }
        if (errno != 0) {
            guest.leaveMerge(ticket);
            retry(block * BLOCK_LENGTH, errno);
            return;
        }
        for (int i = 0; i < pieceLength; i++) {
            buffers.forget(block + i);
        }
        block += pieceLength;
        done += pieceLength;
        turnBlocks += pieceLength;
        guest.leaveMerge(ticket);
        goesOn = isInTurn && turnBlocks < pieceBlocks();
        if (!goesOn) {
            loop.execute(this::step);
        }
    }

    private void retry(final long offset, final int errno) {
        guest.failFlushes(errno);
        owner.onMergeFailed(local.name(), offset, errno);
        loop.schedule(RETRY_NANOS, this::step);
    }

    /** Nothing is left in the buffers, unless a write is about to put something there. */
    private void finish() {
        if (!guest.isStored()) {
            loop.execute(this::step);
            return;
        }
        local.flush((token, errno) -> onFlushed(errno), 0);
        local.poll();
    }

    private void onFlushed(final int errno) {
        if (isStopped) {
            return;
        }
        if (errno != 0) {
            retry(0, errno);
            return;
        }
        guest.mode(GuestDisk.Mode.DIRECT);
        giveBack();
    }

    /** The buffers' memory goes bit by bit: all at once would be a long turn of the loop. */
    private void giveBack() {
        if (isStopped) {
            return;
        }
        if (buffers.giveBack(GIVE_BACK_LENGTH)) {
            loop.execute(this::giveBack);
        } else {
            owner.onMerged();
        }
    }
}
