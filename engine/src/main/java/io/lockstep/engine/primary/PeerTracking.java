package io.lockstep.engine.primary;

import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.Tracking;

import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * When the tracking may be relied on for the peer that is linked, and when what is noted may be
 * dropped. What the disks held before anything was noted is flushed once: the loss of power would
 * undo it here, and not at the peer. On the guest's loop.
 */
final class PeerTracking {
    private final Tracking tracking;
    private final LongSupplier openEpoch;
    private final BiConsumer<Runnable, Runnable> flush;
    private final Consumer<String> onNotRecorded;

    /** Equal when an epoch began; known as soon as the peer has made that durable. */
    private Id equal = Id.NONE;

    private long equalEpoch;

    private boolean isFlushed;
    private boolean isFlushing;

    /** What is known when the flush is done; null for nothing. */
    private Runnable whenFlushed;

    /**
     * One of some disks.
     *
     * @param openEpoch to which belongs what is changed now
     * @param flush flushes the disks, and runs the first action, or the second where it fails
     * @param onNotRecorded hears why something could not be recorded, which is tried again
     */
    PeerTracking(
            final Tracking tracking,
            final LongSupplier openEpoch,
            final BiConsumer<Runnable, Runnable> flush,
            final Consumer<String> onNotRecorded) {
        this.tracking = tracking;
        this.openEpoch = openEpoch;
        this.flush = flush;
        this.onNotRecorded = onNotRecorded;
        tracking.onNotRecorded(onNotRecorded);
    }

    /** Epochs go on behind one that was sealed before. */
    void onNumbered(final long sealed) {
        tracking.seal(sealed);
    }

    /** The peer's disks are equal now, but perhaps not durable. */
    void onEqual(final Id peer) {
        equal = peer;
        equalEpoch = openEpoch.getAsLong();
    }

    /** The peer's disks are equal as of an epoch, and durable so. */
    void onCaughtUp(final Id peer, final long epoch) {
        equal = peer;
        know(epoch);
    }

    /** The linked peer has made durable what was written up to the end of an epoch. */
    void onDurable(final long epoch) {
        if (tracking.isKnown(equal)) {
            tracking.onDurable(epoch, openEpoch.getAsLong());
        } else if (!equal.isNone() && epoch >= equalEpoch) {
            know(epoch);
        }
    }

    /** This node gives way: what it has changed does not count any more. */
    void forget() {
        equal = Id.NONE;
        whenFlushed = null;
        tracking.forget();
    }

    private void know(final long epoch) {
        final Id peer = equal;
        if (isFlushed) {
            tracking.know(peer, epoch, openEpoch.getAsLong());
            return;
        }
        whenFlushed = () -> tracking.know(peer, epoch, openEpoch.getAsLong());
        if (!isFlushing) {
            isFlushing = true;
            flush.accept(this::onFlushed, this::onNotFlushed);
        }
    }

    private void onFlushed() {
        isFlushing = false;
        isFlushed = true;
        final Runnable action = whenFlushed;
        whenFlushed = null;
        if (action != null) {
            action.run();
        }
    }

    private void onNotFlushed() {
        isFlushing = false; // the next durable epoch tries again
        whenFlushed = null;
        onNotRecorded.accept(
                "a disk can't be flushed: until it can, all of it is compared after a restart");
    }
}
