package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;

/**
 * Sees how long the guest's changes take while something is put into the log beside them, and how
 * fast that may be. Where nothing is, it costs a look at a flag. On the guest's loop; allocates
 * nothing.
 */
final class GuestWatch {
    /** A request that begins so soon behind a turn of ours has waited for it. */
    private static final long BEHIND_NANOS = TimeUnit.MICROSECONDS.toNanos(30);

    private final IoLoop loop;
    private final RateController controller;
    private boolean isOn;
    private long turnEndNanos;
    private long turnNanos;

    GuestWatch(final IoLoop loop, final SyncRate bounds) {
        this.loop = loop;
        controller = new RateController(bounds);
    }

    /** Something is put into the log beside the guest's changes, from now on. */
    void begin() {
        isOn = true;
        controller.begin(loop.nanoTime());
    }

    /** Nothing is any more. */
    void end() {
        isOn = false;
    }

    RateController controller() {
        return controller;
    }

    /** The loop was busy with something that is not the guest's. */
    void onTurn(final long startNanos, final long endNanos) {
        turnNanos = endNanos - startNanos;
        turnEndNanos = endNanos;
    }

    /** A change of the guest's is there: since when; 0 where nobody asks. */
    long start() {
        if (!isOn) {
            return 0;
        }
        final long now = loop.nanoTime();
        return now - turnEndNanos < BEHIND_NANOS ? now - turnNanos : now;
    }

    /** It is done. */
    void onDone(final long startNanos) {
        if (isOn && startNanos != 0) {
            final long now = loop.nanoTime();
            controller.onGuest(now - startNanos, now);
        }
    }
}
