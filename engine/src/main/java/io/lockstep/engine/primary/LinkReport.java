package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Summary;

/**
 * Brings what the link tells to the guest's loop; all but that frames were released, which comes
 * with every answer, and from the link's own loop.
 */
final class LinkReport implements LinkOwner {
    private final IoLoop guestLoop;
    private final LinkOwner owner;

    LinkReport(final IoLoop guestLoop, final LinkOwner owner) {
        this.guestLoop = guestLoop;
        this.owner = owner;
    }

    @Override
    public void onUp(final boolean isForeign, final long sealed, final long committed) {
        guestLoop.execute(() -> owner.onUp(isForeign, sealed, committed));
    }

    @Override
    public void onFound(
            final int disk,
            final Summary secondary,
            final boolean isPrimary,
            final LinkOwner.Judgement judgement) {
        guestLoop.execute(() -> owner.onFound(disk, secondary, isPrimary, judgement));
    }

    @Override
    public void onPeerOut() {
        guestLoop.execute(owner::onPeerOut);
    }

    @Override
    public void onNotOutdated(final String reason) {
        guestLoop.execute(() -> owner.onNotOutdated(reason));
    }

    @Override
    public void onDown(final String reason) {
        guestLoop.execute(() -> owner.onDown(reason));
    }

    @Override
    public void onUnreachable(final String reason, final boolean isRefused) {
        guestLoop.execute(() -> owner.onUnreachable(reason, isRefused));
    }

    @Override
    public void onUnfit(final String disk, final String reason) {
        guestLoop.execute(() -> owner.onUnfit(disk, reason));
    }

    @Override
    public void onLongerThere(final int disk, final long length) {
        guestLoop.execute(() -> owner.onLongerThere(disk, length));
    }

    @Override
    public void onRefused(
            final String what,
            final String disk,
            final long offset,
            final int errno,
            final String reason) {
        guestLoop.execute(() -> owner.onRefused(what, disk, offset, errno, reason));
    }

    @Override
    public void onSealed(final long epoch) {
        guestLoop.execute(() -> owner.onSealed(epoch));
    }

    @Override
    public void onCommitted(final long epoch) {
        guestLoop.execute(() -> owner.onCommitted(epoch));
    }

    @Override
    public void onCompared(final int disk, final long frame, final long differing) {
        guestLoop.execute(() -> owner.onCompared(disk, frame, differing));
    }

    @Override
    public void onTail(final int disk, final long firstBlock, final long[] bits) {
        guestLoop.execute(() -> owner.onTail(disk, firstBlock, bits));
    }

    @Override
    public void onTailEnd(final int disk) {
        guestLoop.execute(() -> owner.onTailEnd(disk));
    }

    @Override
    public void onDurable(final long epoch) {
        guestLoop.execute(() -> owner.onDurable(epoch));
    }

    @Override
    public void onStored(final long epoch) {
        guestLoop.execute(() -> owner.onStored(epoch));
    }

    @Override
    public void onFlags(final int flags) {
        guestLoop.execute(() -> owner.onFlags(flags));
    }

    @Override
    public void onReleased() {
        owner.onReleased();
    }
}
