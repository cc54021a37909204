package io.lockstep.engine.primary;

import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.group.Silence;

import java.util.concurrent.TimeUnit;

/**
 * How long each connection to a secondary has owed an answer, and how long it may. On the link's
 * loop.
 */
final class AnswerWatch {
    /** Of a handshake and an attachment, which the secondary records. */
    private static final long CONNECT_NANOS = TimeUnit.SECONDS.toNanos(10);

    /** A connection is of no use that is silent for so long, though the secondary lives. */
    private static final long STUCK_NANOS = TimeUnit.SECONDS.toNanos(60);

    /** A foreign server that lives does so much a second, in bytes: a slow disk of any kind. */
    private static final long FOREIGN_SPEED_MIN = 4 << 20;

    private final PeerTimeout timeout;
    private final Silence[] silences;

    AnswerWatch(final PeerTimeout timeout, final int connections) {
        this.timeout = timeout;
        silences = new Silence[connections];
        for (int i = 0; i < connections; i++) {
            silences[i] = new Silence(timeout.lookNanos());
        }
    }

    /** A connection owes nothing from before. */
    void begin(final int connection, final long nowNanos) {
        silences[connection].begin(nowNanos);
    }

    void onHeard(final int connection) {
        silences[connection].onHeard();
    }

    /**
     * The longest silence of one that owes an answer, in nanoseconds.
     *
     * @param isConnecting whether all of them do
     * @param owner knows otherwise
     */
    long longestNanos(
            final long nowNanos, final boolean isConnecting, final ConnectionsOwner owner) {
        long longest = 0;
        for (int i = 0; i < silences.length; i++) {
            final boolean isOwed = isConnecting || owner.isAnswerOwed(i);
            longest = Math.max(longest, silences[i].look(nowNanos, isOwed));
        }
        return longest;
    }

    /** How often to look, in nanoseconds. */
    long lookNanos() {
        return timeout.lookNanos();
    }

    /** Of a server that has not let us in yet. */
    long connectPatienceNanos() {
        return CONNECT_NANOS;
    }

    /** Of a lockstep: that it lives is known by its pulse. */
    long patienceNanos() {
        return Math.max(STUCK_NANOS, 2 * timeout.nanos());
    }

    /** Of another server, of which only its answers tell; it works on so many bytes. */
    long foreignPatienceNanos(final long owedLength) {
        return timeout.nanos() + owedLength * TimeUnit.SECONDS.toNanos(1) / FOREIGN_SPEED_MIN;
    }
}
