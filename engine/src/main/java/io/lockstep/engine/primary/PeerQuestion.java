package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;

/**
 * What a primary that was cut off asks its peer before it acknowledges anything more: whether that
 * has taken over. The primary may have stood still, or its network may have been parted, for longer
 * than a failover takes; one write that it acknowledged before it has heard of it would make two
 * versions of the disks. It is asked once for each cut, when the guest's first change waits for it,
 * and not waited for longer than {@link #PATIENCE_NANOS}: a peer that is gone says nothing. On the
 * guest's loop.
 */
final class PeerQuestion {
    /** So long the guest's first change waits at most. */
    static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    /** A process that changes its role does not listen for a moment. */
    private static final int UNANSWERED_MAX = 2;

    private enum Phase {
        /** There is nothing to ask. */
        NONE,
        /** The peer was cut off, and nothing was acknowledged since. */
        OPEN,
        ASKED
    }

    private final IoLoop loop;
    private final Runnable ask;
    private final Runnable onClosed;
    private Phase phase = Phase.NONE;
    private int unanswered;
    private IoLoop.Timer patience = () -> {};

    /**
     * One that is not open.
     *
     * @param ask has the link made now; how that ended is told in any case
     * @param onClosed nobody has to wait any more
     */
    PeerQuestion(final IoLoop loop, final Runnable ask, final Runnable onClosed) {
        this.loop = loop;
        this.ask = ask;
        this.onClosed = onClosed;
    }

    /** The peer is cut off: what it was asked before counts no more. */
    void open() {
        close();
        phase = Phase.OPEN;
    }

    /** Whether a change has to wait for the answer. Asks, where that was not done yet. */
    boolean mustWait() {
        if (phase == Phase.OPEN) {
            phase = Phase.ASKED;
            unanswered = 0;
            patience = loop.schedule(PATIENCE_NANOS, this::giveUp);
            ask.run();
        }
        return phase != Phase.NONE;
    }

    /** The link could not be made. */
    void onUnreachable(final boolean isAnswered) {
        if (phase == Phase.ASKED && !isAnswered && ++unanswered == UNANSWERED_MAX) {
            giveUp();
        }
    }

    private void giveUp() {
        close();
        onClosed.run();
    }

    /** It is known, or nobody wants to know it. */
    void close() {
        patience.cancel();
        phase = Phase.NONE;
    }
}
