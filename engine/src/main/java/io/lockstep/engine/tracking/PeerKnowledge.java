package io.lockstep.engine.tracking;

import io.lockstep.engine.node.Id;

/**
 * What the notes of two nodes come to together, where both have written: which of them are all that
 * differs. Each has noted what it changed from an epoch on; so together they have all where both
 * had one epoch that lies no earlier than either of the two. On the group's loop.
 */
public final class PeerKnowledge {
    private final TrackingPage page;

    PeerKnowledge(final TrackingPage page) {
        this.page = page;
    }

    private boolean isKnown(final Id peer) {
        return !peer.isNone() && page.peer().equals(peer);
    }

    // ---- What this node says of its own.

    /**
     * Up to which epoch this node has noted what it wrote as the primary of a peer.
     *
     * @return -1 where it has not
     */
    public long trackedEpoch(final Id peer) {
        return isKnown(peer) && !page.isWithoutTail() ? page.sealed() : -1;
    }

    /**
     * Of which epoch on it has noted all that it changed, and that a peer may lack.
     *
     * @return -1 where it has not
     */
    public long trackedFrom(final Id peer) {
        return isKnown(peer) ? page.base() : -1;
    }

    // ---- What it makes of what a peer says.

    /**
     * Whether a peer lacks what is noted here, and has changed what it has noted itself, as the
     * primary that it was until this node took over.
     *
     * @param from of which epoch on it has noted that; -1 where it has not
     * @param trackedEpoch the last one that it sealed while it noted that; -1 where it has not
     */
    public boolean isKnownWithTail(final Id peer, final long from, final long trackedEpoch) {
        return page.isWithoutTail() && isOfItsPrimary(peer, from, trackedEpoch);
    }

    private boolean isOfItsPrimary(final Id peer, final long from, final long trackedEpoch) {
        return isKnown(peer) && from >= 0 && from <= page.base() && page.base() <= trackedEpoch;
    }

    /**
     * Whether a peer that went a way of its own lacks what is noted here, and has changed what it
     * has noted itself, whichever of the two was the primary before.
     *
     * @param from of which epoch on it has noted that; -1 where it has not
     * @param trackedEpoch as above; -1 also where the peer has taken over from this node
     */
    public boolean isKnownWithItsWay(final Id peer, final long from, final long trackedEpoch) {
        final boolean hasTakenOver =
                isKnown(peer)
                        && !page.isWithoutTail()
                        && trackedEpoch < 0
                        && page.base() <= from
                        && from <= page.sealed();
        return hasTakenOver || isOfItsPrimary(peer, from, trackedEpoch);
    }

    /**
     * Whether one that has handed its role over to this node, and has written nothing since, lacks
     * what is noted here.
     *
     * @param epoch of which it has all on stable storage
     */
    public boolean isKnownWithoutTail(final Id peer, final long epoch) {
        return isKnown(peer) && page.isWithoutTail() && epoch == page.base();
    }
}
