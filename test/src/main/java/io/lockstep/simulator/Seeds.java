package io.lockstep.simulator;

import java.util.stream.LongStream;

/**
 * Which seeds a test runs with: {@value #SEED} for one alone, {@value #COUNT} for more or fewer
 * than usual, from {@value #FIRST} on.
 */
public final class Seeds {
    /** System property: the only seed. */
    public static final String SEED = "lockstep.simulation.seed";

    /** System property: how many seeds, from 0 on. */
    public static final String COUNT = "lockstep.simulation.seeds";

    /** System property: the first of them, where that is not 0. */
    public static final String FIRST = "lockstep.simulation.first";

    private Seeds() {}

    /** The seeds to run, where a test usually runs so many. */
    public static LongStream usually(final int count) {
        final Long only = Long.getLong(SEED);
        final long first = Long.getLong(FIRST, 0);
        return only != null
                ? LongStream.of(only)
                : LongStream.range(first, first + Long.getLong(COUNT, count));
    }
}
