package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.throttle.Throttle;
import io.lockstep.engine.throttle.ThrottleDirection;

/**
 * Holds the next frame of a {@link Link} back until the {@link Throttle} lets it go. On the link's
 * loop; allocates nothing where there are no limits.
 */
final class LinkTurn {
    private static final long NONE = -1;

    private final IoLoop loop;
    private final Throttle throttle;
    private final Runnable goOn;
    private final Throttle.Listening listening;

    /** The frame whose turn is known, and when that is. */
    private long reserved = NONE;

    private long turnNanos;
    private IoLoop.Timer timer;

    /**
     * Every frame may go at once, until there are limits.
     *
     * @param goOn runs when one may go that was held back
     */
    LinkTurn(final IoLoop loop, final Throttle throttle, final Runnable goOn) {
        this.loop = loop;
        this.throttle = throttle;
        this.goOn = goOn;
        listening = throttle.listen(() -> loop.execute(this::askAnew));
    }

    /**
     * Whether a frame may go now; it is asked for again until it has gone, or another one.
     *
     * @param id its name among those of all lanes
     */
    boolean hasCome(final long id, final ForwardLog.Kind kind, final long length) {
        if (id != reserved) {
            if (!throttle.isLimiting() || !isCounted(kind)) {
                return true;
            }
            final long now = loop.nanoTime();
            reserved = id;
            turnNanos = now + throttle.reserve(ThrottleDirection.WRITE, length, now);
        }
        final long wait = turnNanos - loop.nanoTime();
        if (wait > 0 && timer == null) {
            timer = loop.schedule(wait, this::onTimer);
        }
        return wait <= 0;
    }

    /** What changes nothing counts for nothing. */
    private static boolean isCounted(final ForwardLog.Kind kind) {
        return kind == ForwardLog.Kind.WRITE || kind == ForwardLog.Kind.ZERO;
    }

    private void onTimer() {
        timer = null;
        goOn.run();
    }

    private void askAnew() {
        reserved = NONE;
        if (timer != null) {
            timer.cancel();
            timer = null;
        }
        goOn.run();
    }

    /** Nothing is sent any more. */
    void end() {
        listening.close();
    }
}
