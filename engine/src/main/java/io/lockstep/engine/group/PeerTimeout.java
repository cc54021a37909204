package io.lockstep.engine.group;

import java.util.concurrent.TimeUnit;

/**
 * How long a peer may say nothing at all before it counts as lost: an immutable value.
 *
 * <p>By default five seconds, in which there are ten heartbeats: longer than what a network takes
 * that moves to another path, than four retransmissions of TCP and than the pauses of a process on
 * a busy host; and short enough that whoever manages the pair need not wait.
 *
 * @param nanos in nanoseconds; more than 0
 */
public record PeerTimeout(long nanos) {
    /** Where nobody says otherwise. */
    public static final PeerTimeout DEFAULT = new PeerTimeout(TimeUnit.SECONDS.toNanos(5));

    private static final long BEAT_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(500);

    /** There are at least so many heartbeats in it. */
    private static final int BEATS_MIN = 4;

    private static final int LOOKS = 10;

    /** How often a peer is asked whether it is there. */
    public long beatNanos() {
        return Math.min(BEAT_NANOS_MAX, Math.max(1, nanos / BEATS_MIN));
    }

    /** How often it is looked whether it has answered. */
    public long lookNanos() {
        return Math.max(1, nanos / LOOKS);
    }

    @Override
    public String toString() {
        return nanos / 1e9 + " s";
    }
}
