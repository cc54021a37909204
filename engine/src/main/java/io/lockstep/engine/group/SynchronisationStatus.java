package io.lockstep.engine.group;

import java.time.Duration;

/**
 * How far a synchronisation is: an immutable value. Lengths are in bytes.
 *
 * @param left to be sent
 * @param total that were to be sent when it began
 * @param nanos since it began; 0 where it has not been linked yet
 * @param state how it stands; CANCELLED where the guest goes on without the secondary until it is
 *     begun again
 * @param isPaused whether it does nothing until it is resumed
 * @param limit bytes that are sent in a second at most; 0 where nobody has said
 */
public record SynchronisationStatus(
        long left, long total, long nanos, Job.State state, boolean isPaused, long limit) {
    /** How much is done, of a hundred. */
    public int percent() {
        return total == 0 ? 100 : (int) (100 * Math.max(0, total - left) / total);
    }

    /** Bytes that were sent in a second. */
    public long rate() {
        return nanos == 0 ? 0 : (long) ((total - left) * 1e9 / nanos);
    }

    /** How long it takes yet, at this rate; 0 where that is not known. */
    public Duration timeLeft() {
        final long rate = rate();
        return rate <= 0 ? Duration.ZERO : Duration.ofSeconds(left / rate);
    }
}
