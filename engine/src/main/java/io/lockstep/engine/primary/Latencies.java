package io.lockstep.engine.primary;

import java.util.Arrays;

/**
 * How long requests took, the last ones counting most: a histogram with eight steps an octave.
 * Single threaded; allocates nothing.
 */
final class Latencies {
    private static final int STEP_BITS = 3;
    private static final int STEPS = 1 << STEP_BITS;

    private final int[] counts = new int[Long.SIZE * STEPS];
    private int count;

    /** Counts one, in nanoseconds. */
    void add(final long nanos) {
        counts[step(Math.max(STEPS, nanos))]++;
        count++;
    }

    private static int step(final long value) {
        final int bits = Long.SIZE - 1 - Long.numberOfLeadingZeros(value);
        return bits * STEPS + (int) (value >>> bits - STEP_BITS & STEPS - 1);
    }

    private static long upperEnd(final int step) {
        final int bits = step / STEPS;
        return (long) (STEPS + step % STEPS + 1) << bits - STEP_BITS;
    }

    /** How many count. */
    int count() {
        return count;
    }

    /** Nearly all took no longer than that, in nanoseconds; 0 where there were none. */
    long quantile(final double share) {
        final long rank = (long) Math.ceil(share * count);
        long seen = 0;
        for (int step = 0; step < counts.length; step++) {
            seen += counts[step];
            if (seen >= rank && seen > 0) {
                return upperEnd(step);
            }
        }
        return 0;
    }

    /** What was counted until now counts half. */
    void fade() {
        count = 0;
        for (int step = 0; step < counts.length; step++) {
            counts[step] /= 2;
            count += counts[step];
        }
    }

    void clear() {
        Arrays.fill(counts, 0);
        count = 0;
    }
}
