package io.lockstep.engine.throttle;

/**
 * How much of something may go in a time: an immutable value, in units a second.
 *
 * @param average in the long run; 0 for any
 * @param burst more than that, for a while, where less was used before; 0 for a tenth of a second's
 *     average at once
 * @param burstSeconds for how long; at least 1
 */
public record ThrottleRate(long average, long burst, long burstSeconds) {
    /** Any. */
    public static final ThrottleRate ANY = new ThrottleRate(0, 0, 1);

    /** Checks it. */
    public ThrottleRate {
        if (average < 0 || burst < 0 || burstSeconds < 1 || (burst > 0 && burst < average)) {
            throw new IllegalArgumentException(
                    "no rate: " + average + ", " + burst + ", " + burstSeconds);
        }
    }

    boolean isLimiting() {
        return average > 0;
    }
}
