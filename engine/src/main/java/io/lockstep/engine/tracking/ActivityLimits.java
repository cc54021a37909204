package io.lockstep.engine.tracking;

/**
 * How coarse the activity log is. What is hot is only compared after a loss of power, at more than
 * 2 GiB/s a core: so regions may be large, and few.
 *
 * @param regionBits a region has this power of two bytes
 * @param hotMax regions that may be hot at a time
 * @param leaving how many leave at a time, as soon as no more than that are free
 */
public record ActivityLimits(int regionBits, int hotMax, int leaving) {
    /** Regions that are hot at most. */
    static final int HOT_MAX = 1024;

    private static final int REGION_BITS = 24;

    /**
     * Regions of 16 MiB, 1024 of them: what is compared after a loss of power is at most 16 GiB.
     */
    public static final ActivityLimits STANDARD =
            new ActivityLimits(REGION_BITS, HOT_MAX, HOT_MAX / 8);
}
