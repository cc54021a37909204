package io.lockstep.engine.primary;

/**
 * Between what a synchronisation or a verification may be as fast as the guest lets it, in bytes a
 * second.
 *
 * @param min never less, whatever that costs the guest; at least 1
 * @param max never more; at least the other one
 */
public record SyncRate(long min, long max) {
    /**
     * What it is unless somebody says otherwise: any rate, and a terabyte in three days at worst.
     */
    public static final SyncRate DEFAULT = new SyncRate(4L << 20, Long.MAX_VALUE);

    /** Checks it. */
    public SyncRate {
        if (min < 1 || max < min) {
            throw new IllegalArgumentException("no rates: " + min + " to " + max);
        }
    }
}
