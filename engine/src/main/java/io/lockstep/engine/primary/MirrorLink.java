package io.lockstep.engine.primary;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Summary;

/**
 * What a mirror hears of its link: that it is up, and that it is lost, by whatever. A plain server
 * says nothing else. On the guest's loop, but for what is released.
 */
final class MirrorLink implements LinkOwner {
    /** Hears of it. */
    interface Owner {
        /** The target is there. */
        void onUp();

        /** It is not, or not any more, or has refused something: in a sentence. */
        void onLost(String reason);

        /** Frames were released; on the link's loop. */
        void onReleased();
    }

    private final Owner owner;

    MirrorLink(final Owner owner) {
        this.owner = owner;
    }

    @Override
    public void onUp(final boolean isForeign, final long sealed, final long committed) {
        owner.onUp();
    }

    @Override
    public void onDown(final String reason) {
        owner.onLost("the connection is lost: " + reason);
    }

    @Override
    public void onUnreachable(final String reason, final boolean isRefused) {
        owner.onLost(reason);
    }

    @Override
    public void onUnfit(final String disk, final String reason) {
        owner.onLost(reason);
    }

    @Override
    public void onRefused(
            final String what,
            final String disk,
            final long offset,
            final int errno,
            final String reason) {
        owner.onLost(
                what
                        + " was refused: "
                        + (reason.isEmpty() ? Errno.meaning(errno) : reason)
                        + " ("
                        + Errno.name(errno)
                        + ")");
    }

    @Override
    public void onReleased() {
        owner.onReleased();
    }

    // ---- What only a secondary of our own kind tells.

    @Override
    public void onFound(
            final int disk,
            final Summary secondary,
            final boolean isPrimary,
            final Judgement judgement) {
        throw notOfAPlainServer();
    }

    @Override
    public void onFlags(final int flags) {
        throw notOfAPlainServer();
    }

    @Override
    public void onPeerOut() {
        throw notOfAPlainServer();
    }

    @Override
    public void onSealed(final long epoch) {
        throw notOfAPlainServer();
    }

    @Override
    public void onCommitted(final long epoch) {
        throw notOfAPlainServer();
    }

    @Override
    public void onCompared(final int disk, final long frame, final long differing) {
        throw notOfAPlainServer();
    }

    @Override
    public void onTail(final int disk, final long firstBlock, final long[] bits) {
        throw notOfAPlainServer();
    }

    @Override
    public void onTailEnd(final int disk) {
        throw notOfAPlainServer();
    }

    @Override
    public void onDurable(final long epoch) {
        throw notOfAPlainServer();
    }

    @Override
    public void onStored(final long epoch) {
        throw notOfAPlainServer();
    }

    private static IllegalStateException notOfAPlainServer() {
        return new IllegalStateException("a plain server says no such thing");
    }
}
