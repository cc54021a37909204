package io.lockstep.simulator;

import java.util.EnumMap;
import java.util.Map;

/**
 * What a medium does to operations. Probabilities are from 0 to 1; times in nanoseconds.
 *
 * @param latencyMin shortest time of an operation
 * @param latencyMax longest usual time
 * @param slow probability that an operation takes up to {@code slowLatencyMax}
 * @param slowLatencyMax longest time of a slow operation
 * @param immediate probability that an operation is done when it is submitted, as with the page
 *     cache; its completion then waits for a {@code poll()} that nobody is asked to call
 * @param split probability that an operation takes effect in two pieces at different times
 * @param zeroAllocates probability that a zero leaves no hole although it might
 * @param fastZero whether {@code ZERO_FAST} is possible
 * @param discardIgnored probability that a discard changes nothing
 * @param discardScribbles probability that it leaves anything at all; otherwise it makes holes
 * @param errors probability of an error, by kind of operation
 * @param stuck probability that an operation doesn't complete until {@link SimulatedMedium#release}
 * @param lostAtCrash probability that a change that no flush covered is lost in a crash
 * @param tornAtCrash probability that of one that isn't lost only some sectors survive
 */
public record DiskFaults(
        long latencyMin,
        long latencyMax,
        double slow,
        long slowLatencyMax,
        double immediate,
        double split,
        double zeroAllocates,
        boolean fastZero,
        double discardIgnored,
        double discardScribbles,
        Map<DiskOperation, Double> errors,
        double stuck,
        double lostAtCrash,
        double tornAtCrash) {
    /** What any disk does: it takes its time, in any order, and forgets what was not flushed. */
    public static final DiskFaults NONE =
            new DiskFaults(
                    5 * Simulation.MICROSECOND,
                    500 * Simulation.MICROSECOND,
                    0.01,
                    50 * Simulation.MILLISECOND,
                    0.2,
                    0.3,
                    0.3,
                    true,
                    0.3,
                    0.1,
                    Map.of(),
                    0,
                    0.5,
                    0.5);

    /** Copies the map. */
    public DiskFaults {
        errors = Map.copyOf(errors);
    }

    /** The same, and some kinds of operations fail. */
    public DiskFaults failing(final double probability, final DiskOperation... kinds) {
        final Map<DiskOperation, Double> changed = new EnumMap<>(DiskOperation.class);
        changed.putAll(errors);
        for (final DiskOperation kind : kinds) {
            changed.put(kind, probability);
        }
        return new DiskFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                immediate,
                split,
                zeroAllocates,
                fastZero,
                discardIgnored,
                discardScribbles,
                changed,
                stuck,
                lostAtCrash,
                tornAtCrash);
    }

    /** The same with another probability of slow operations, and another longest time of them. */
    public DiskFaults slowing(final double probability, final long nanosMax) {
        return new DiskFaults(
                latencyMin,
                latencyMax,
                probability,
                nanosMax,
                immediate,
                split,
                zeroAllocates,
                fastZero,
                discardIgnored,
                discardScribbles,
                errors,
                stuck,
                lostAtCrash,
                tornAtCrash);
    }

    /** The same where {@code ZERO_FAST} is not possible. */
    public DiskFaults withoutFastZero() {
        return new DiskFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                immediate,
                split,
                zeroAllocates,
                false,
                discardIgnored,
                discardScribbles,
                errors,
                stuck,
                lostAtCrash,
                tornAtCrash);
    }

    /** The same with another probability of operations that get stuck. */
    public DiskFaults sticking(final double probability) {
        return new DiskFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                immediate,
                split,
                zeroAllocates,
                fastZero,
                discardIgnored,
                discardScribbles,
                errors,
                probability,
                lostAtCrash,
                tornAtCrash);
    }

    /** The same with other probabilities at a crash. */
    public DiskFaults crashing(final double lost, final double torn) {
        return new DiskFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                immediate,
                split,
                zeroAllocates,
                fastZero,
                discardIgnored,
                discardScribbles,
                errors,
                stuck,
                lost,
                torn);
    }

    /** The same with another probability that {@code poll()} is needed for what is done at once. */
    public DiskFaults immediately(final double probability) {
        return new DiskFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                probability,
                split,
                zeroAllocates,
                fastZero,
                discardIgnored,
                discardScribbles,
                errors,
                stuck,
                lostAtCrash,
                tornAtCrash);
    }
}
