package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;

/**
 * Whether the secondary is linked, cut off a moment ago, or away. Nobody who asks something of it
 * waits for one that is away: it is that before it has come, and when it did not come back within a
 * stated patience after a cut. On the guest's loop.
 */
final class PeerPresence {
    private final IoLoop loop;
    private final String peer;
    private final long patienceNanos;
    private final Runnable onAway;
    private boolean isForeign;
    private boolean isLinked;
    private boolean isAway = true;
    private long sinceNanos;
    private String reason = "";
    private IoLoop.Timer timer = () -> {};

    /**
     * One that has not come yet.
     *
     * @param peer where it is, for sentences
     * @param onAway it was cut off, and did not come back in time
     */
    PeerPresence(
            final IoLoop loop, final String peer, final long patienceNanos, final Runnable onAway) {
        this.loop = loop;
        this.peer = peer;
        this.patienceNanos = patienceNanos;
        this.onAway = onAway;
        sinceNanos = loop.nanoTime();
    }

    boolean isLinked() {
        return isLinked;
    }

    /** Whether it is a server that knows no epochs. */
    boolean isForeign() {
        return isForeign;
    }

    /** Where it is, and that it is no lockstep if it is none. */
    String peer() {
        return peer + (isForeign ? " (not a lockstep)" : "");
    }

    /** Whether nobody should wait for it. */
    boolean isAway() {
        return isAway;
    }

    /** How long it has not been linked; 0 where it is. */
    long unlinkedNanos() {
        return isLinked ? 0 : Math.max(0, loop.nanoTime() - sinceNanos);
    }

    /** Why it is not, as far as that is known; empty where it is. */
    String unlinkedReason() {
        return isLinked ? "" : reason;
    }

    void onUp(final boolean nowForeign) {
        timer.cancel();
        isForeign = nowForeign;
        isLinked = true;
        isAway = false;
    }

    void onDown(final String cause) {
        isLinked = false;
        reason = cause;
        sinceNanos = loop.nanoTime();
        timer.cancel(); // it may be lost again before anybody knew that it was there
        timer =
                loop.schedule(
                        patienceNanos,
                        () -> {
                            isAway = true;
                            onAway.run();
                        });
    }

    /** It was tried again, in vain. */
    void onUnreachable(final String cause) {
        reason = cause;
    }

    /** There is none any more, and never will be. */
    void end() {
        timer.cancel();
        if (isLinked) {
            isLinked = false;
            sinceNanos = loop.nanoTime();
        }
        isAway = true;
    }

    /** How long it has been away, and why: the beginning of a sentence. */
    @Override
    public String toString() {
        return "the secondary at "
                + peer
                + " has not been linked for "
                + TimeUnit.NANOSECONDS.toSeconds(unlinkedNanos())
                + " s"
                + (reason.isEmpty() ? "" : " (" + reason + ")");
    }
}
