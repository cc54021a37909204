package io.lockstep.engine.primary;

import io.lockstep.engine.tracking.Tracking;

/**
 * A disk of the primary's guest that the secondary sees as well: what changes it is not sent, and
 * not noted, since nothing can differ there; {@link AnnouncingDisk} below sees to the secondary's
 * pre-images. On the guest's loop.
 */
final class SharedDisk extends PrimaryDisk {
    /** A change is done in pieces of this length, in bytes, and so are its announcements. */
    private static final long PIECE_LENGTH = 16L << 20;

    private final PrimaryDiskOwner owner;
    private final AnnouncingDisk announcing;

    SharedDisk(
            final AnnouncingDisk local,
            final PrimaryDiskOwner owner,
            final int number,
            final Lane lane,
            final Tracking tracking) {
        super(local, new OutOfSync(0), owner, number, lane, tracking);
        this.owner = owner;
        announcing = local;
    }

    AnnouncingDisk announcing() {
        return announcing;
    }

    @Override
    void lengthen(final long newLength, final boolean isEqual) {
        announcing.lengthen(newLength);
    }

    @Override
    void prepareToSend() {}

    @Override
    void noteDifference(final long offset, final long end) {}

    @Override
    void noteTail(final long firstBlock, final long[] bits) {}

    /** A payload that came by itself would have to lie somewhere while its blocks are announced. */
    @Override
    public boolean hasWriteWindow(final long offset, final int length) {
        return false;
    }

    /** Of a change the epoch is known when it is done: that in which it began, or a later one. */
    @Override
    boolean claim(final PrimaryOperation operation) {
        operation.frame = -1;
        operation.pieceEnd = Math.min(operation.end, operation.cursor + PIECE_LENGTH);
        if (operation.kind == ForwardLog.Kind.FLUSH) {
            owner.onEntered(operation);
        }
        return true;
    }

    @Override
    public void onDone(final PrimaryOperation operation, final int errno) {
        final boolean isWhole = operation.pieceEnd == operation.end;
        if (operation.isChangeOfGuest() && !operation.isReadBack() && isWhole) {
            owner.onEntered(operation);
        }
        super.onDone(operation, errno);
    }
}
