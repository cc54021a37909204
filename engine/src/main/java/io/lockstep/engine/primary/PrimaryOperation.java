package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.PieceHash;

import java.lang.foreign.MemorySegment;

/**
 * An operation of a {@link PrimaryDisk} on its way: of its guest, or of a synchronisation; used
 * again and again. On the guest's loop.
 */
final class PrimaryOperation {
    /** Goes on with it. */
    interface Owner {
        /** The local disk has done its present piece. */
        void onDone(PrimaryOperation operation, int errno);

        /** It was held, and may be answered. */
        void answer(PrimaryOperation operation, int errno);

        /** There may be room in the log; answers whether it need not wait any more. */
        boolean enterAgain(PrimaryOperation operation);
    }

    final int index;

    /** The number of its disk's lane. */
    final int lane;

    final Disk.Completion onDone;
    final RoomQueue.Waiting enterAgain;
    private final Owner owner;

    // What it is.
    ForwardLog.Kind kind;
    long offset;
    long end;
    MemorySegment memory;
    long position;
    int flags;
    Disk.Completion completion;
    long token;

    /** The payload was received where its frame has it. */
    boolean isInLog;

    /** The place in the log is not its frame's, which it has none of. */
    boolean isPlaceSpare;

    /** It is none of the guest's. */
    boolean isOfSynchroniser;

    /** The local disk has nothing there. */
    boolean isHole;

    /** Since when the guest waits for it; 0 where nobody asks. */
    long startNanos;

    /** Of a comparison; and whether it is done, without a read. */
    PieceHash hash;

    boolean isHashed;

    // Where it stands.
    long cursor;
    long pieceEnd;
    long frame;

    /** Which epoch its answer waits for, of which numbering; see {@link Acknowledgements}. */
    long epoch;

    int numbering;

    /** With what it is answered. */
    int heldErrno;

    /** A change that has failed, of which this one is the last to forward what is there. */
    PrimaryOperation failed;

    PrimaryOperation(final int index, final int lane, final Owner owner) {
        this.index = index;
        this.lane = lane;
        this.owner = owner;
        onDone = (ignored, errno) -> owner.onDone(this, errno);
        enterAgain = () -> owner.enterAgain(this);
    }

    /** It is another one from now on. */
    void begin(
            final ForwardLog.Kind nowKind,
            final long nowOffset,
            final long length,
            final Disk.Completion nowCompletion,
            final long nowToken) {
        kind = nowKind;
        offset = nowOffset;
        cursor = nowOffset;
        end = nowOffset + length;
        flags = 0;
        isInLog = false;
        isHole = false;
        isHashed = false;
        isOfSynchroniser = false;
        isPlaceSpare = false;
        startNanos = 0;
        epoch = Acknowledgements.NONE;
        completion = nowCompletion;
        token = nowToken;
    }

    /** It is over, and holds on to nothing. */
    void forget() {
        completion = null;
        hash = null;
        memory = null;
        failed = null;
    }

    /** What was read to be compared is hashed into its frame. */
    void hashInto(final ForwardLog log) {
        final long length = end - offset;
        final MemorySegment into = log.landing().segment();
        final int at = log.payloadPosition(frame);
        if (isHole) {
            hash.hashZeroes(length, into, at);
        } else {
            hash.hash(memory, 0, length, into, at);
        }
    }

    /** It was held, and may be answered. */
    void answer() {
        owner.answer(this, heldErrno);
    }

    /** Whether the guest changes something by it. */
    boolean isChangeOfGuest() {
        return kind != ForwardLog.Kind.FLUSH && !isOfSynchroniser;
    }

    /** Whether it is a write of what the local disk holds. */
    boolean isReadBack() {
        return kind == ForwardLog.Kind.WRITE && memory == null;
    }
}
