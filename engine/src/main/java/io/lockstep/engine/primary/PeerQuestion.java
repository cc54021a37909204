package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;

/**
 * What a primary that was cut off asks its peer before it acknowledges anything more: whether that
 * has taken over. The primary may have stood still, or its network may have been parted, for longer
 * than a failover takes; one write that it acknowledged before it has heard of it would make two
 * versions of the disks.
 *
 * <p>It is asked when the guest's first change behind a cut waits for it, again and again for
 * {@link #LOOKS} times {@link #LOOK_NANOS}, and not waited for longer: a peer that is gone says
 * nothing. That is more than a second, in which a network that was parted has been asked for the
 * peer's address anew (RFC 4861, RetransTimer; Linux does the same with ARP), while TCP would not
 * have repeated what was lost more than once (RFC 6298, 2.1). While this process itself stands
 * still one look passes at the most. On the guest's loop.
 */
final class PeerQuestion {
    /** A connection across a continent stands within it. */
    static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(400);

    static final int LOOKS = 3;

    /** A process that changes its role does not listen for a moment. */
    private static final int REFUSALS_MAX = 2;

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
    private int refusals;
    private int looks;
    private IoLoop.Timer timer = () -> {};

    /**
     * One that is not open.
     *
     * @param ask has the link made now, unless it is being made with a server that is there
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
            refusals = 0;
            looks = 0;
            askAgain();
        }
        return phase != Phase.NONE;
    }

    private void askAgain() {
        timer = loop.schedule(LOOK_NANOS, this::look);
        ask.run();
    }

    private void look() {
        if (++looks < LOOKS) {
            askAgain();
        } else {
            giveUp();
        }
    }

    /** The link could not be made; whether nobody listens where the peer does. */
    void onUnreachable(final boolean isRefused) {
        if (phase == Phase.ASKED && isRefused && ++refusals == REFUSALS_MAX) {
            giveUp();
        }
    }

    private void giveUp() {
        close();
        onClosed.run();
    }

    /** It is known, or nobody wants to know it. */
    void close() {
        timer.cancel();
        phase = Phase.NONE;
    }
}
