package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

/**
 * Brings to the link's loop what the guest's has the link do: the other way of {@link LinkReport}.
 */
final class LinkOrders {
    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private Link link;

    LinkOrders(final IoLoop guestLoop, final IoLoop linkLoop) {
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
    }

    /** To whom they go, before the first. */
    void to(final Link ordered) {
        link = ordered;
    }

    void start() {
        linkLoop.execute(link::start);
    }

    /** Makes it now, where it waits for its turn, or for a server that has not answered. */
    void startNow() {
        linkLoop.execute(link::startNow);
    }

    /** Makes it anew: this reign is another one than it told. */
    void attachAgain() {
        linkLoop.execute(link::attachAgain);
    }

    /** Cuts it at once; it is made again. */
    void sever(final String reason) {
        linkLoop.execute(() -> link.sever(reason));
    }

    /** Frames before these, by lane, are not sent any more. */
    void skip(final long[] frames) {
        linkLoop.execute(() -> link.skip(frames));
    }

    /** Has the secondary commit an epoch whose seals it has answered. */
    void commit(final long epoch) {
        linkLoop.execute(() -> link.commit(epoch));
    }

    /** Has the secondary tell when an epoch is durable, while this link is up. */
    void askDurable(final long epoch) {
        linkLoop.execute(() -> link.askDurable(epoch));
    }

    /** Asks how long the disks could be at the secondary. */
    void askLengths(final LengthsThere.Listener told) {
        linkLoop.execute(() -> link.askLengths(all -> guestLoop.execute(() -> told.onTold(all))));
    }

    /** Asks for what the secondary has noted itself of a disk. */
    void readTail(final int disk) {
        linkLoop.execute(() -> link.readTail(disk));
    }

    /** Ends it for good; the action runs on the guest's loop. */
    void cut(final Runnable whenCut) {
        linkLoop.execute(() -> link.cut(() -> guestLoop.execute(whenCut)));
    }
}
