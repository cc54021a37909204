package io.lockstep.simulator;

/**
 * What a network does to connections. Probabilities are from 0 to 1; times in nanoseconds; lengths
 * in bytes.
 *
 * @param latencyMin shortest time of a segment on its way
 * @param latencyMax longest usual time
 * @param slow probability that a segment takes up to {@code slowLatencyMax}
 * @param slowLatencyMax longest time of a slow segment
 * @param bufferMin smallest length of a connection's buffers, one direction
 * @param bufferMax largest
 * @param shortTransfer probability that a send or a receive moves less than it could, or that what
 *     one send takes travels in two segments
 * @param spurious probability that a handler is called although there is nothing to receive
 * @param refuse probability that a connect is refused
 * @param cut probability that a segment meets the end of its connection: both ends are reset, and
 *     what was in flight is lost
 * @param halfOpen probability that from a segment on its direction swallows all, and nobody hears
 *     of it; the other direction too, every other time
 * @param silentCrash probability that a connection of a crashed host isn't reset: its peer hears
 *     nothing
 */
public record NetworkFaults(
        long latencyMin,
        long latencyMax,
        double slow,
        long slowLatencyMax,
        int bufferMin,
        int bufferMax,
        double shortTransfer,
        double spurious,
        double refuse,
        double cut,
        double halfOpen,
        double silentCrash) {
    /**
     * What any network does: delays, short transfers, now and then a slow segment; nothing breaks.
     */
    public static final NetworkFaults NONE =
            new NetworkFaults(
                    20 * Simulation.MICROSECOND,
                    300 * Simulation.MICROSECOND,
                    0.01,
                    20 * Simulation.MILLISECOND,
                    2048,
                    256 << 10,
                    0.2,
                    0.01,
                    0,
                    0,
                    0,
                    0);

    /** The same with other probabilities of what breaks connections. */
    public NetworkFaults breaking(
            final double refusing, final double cutting, final double halfOpening) {
        return new NetworkFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                bufferMin,
                bufferMax,
                shortTransfer,
                spurious,
                refusing,
                cutting,
                halfOpening,
                silentCrash);
    }

    /** The same with buffers of other lengths, in bytes. */
    public NetworkFaults buffering(final int min, final int max) {
        return new NetworkFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                min,
                max,
                shortTransfer,
                spurious,
                refuse,
                cut,
                halfOpen,
                silentCrash);
    }

    /** The same with another probability of crashes that peers don't hear of. */
    public NetworkFaults crashingSilently(final double probability) {
        return new NetworkFaults(
                latencyMin,
                latencyMax,
                slow,
                slowLatencyMax,
                bufferMin,
                bufferMax,
                shortTransfer,
                spurious,
                refuse,
                cut,
                halfOpen,
                probability);
    }
}
