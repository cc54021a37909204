package io.lockstep.engine.primary;

import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.Tracking;

import java.util.function.Consumer;

/**
 * When the tracking may be relied on for the peer that is linked, and when what is noted may be
 * dropped. On the guest's loop.
 */
final class PeerTracking {
    private final Tracking tracking;

    /** Equal when an epoch began; known as soon as the peer has made that durable. */
    private Id equal = Id.NONE;

    private long equalEpoch;

    /** One that says why something could not be recorded, which is tried again. */
    PeerTracking(final Tracking tracking, final Consumer<String> onNotRecorded) {
        this.tracking = tracking;
        tracking.onNotRecorded(onNotRecorded);
    }

    /** Epochs go on behind one that was sealed before. */
    void onNumbered(final long sealed) {
        tracking.seal(sealed);
    }

    /** The peer's disks were equal when this epoch was open, but perhaps not durable. */
    void onEqual(final Id peer, final long openEpoch) {
        equal = peer;
        equalEpoch = openEpoch;
    }

    /** The peer's disks are equal as of an epoch, and durable so. */
    void onCaughtUp(final Id peer, final long epoch, final long openEpoch) {
        equal = peer;
        tracking.know(peer, epoch, openEpoch);
    }

    /** The linked peer has made durable what was written up to the end of an epoch. */
    void onDurable(final long epoch, final long openEpoch) {
        if (tracking.isKnown(equal)) {
            tracking.onDurable(epoch, openEpoch);
        } else if (!equal.isNone() && epoch >= equalEpoch) {
            tracking.know(equal, epoch, openEpoch);
        }
    }
}
