package io.lockstep.bench.compare;

import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Rounds;

import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What one pair did under a load, in one round.
 *
 * @param writes as many as the secondary has, too, and processor time of both sides a write
 * @param checkpointMillis of each checkpoint, from the manager's command to its answer
 * @param checkpointsPerSecond how many there were
 */
record Outcome(Measurement writes, List<Double> checkpointMillis, double checkpointsPerSecond) {
    /** One figure of all rounds: the median, the smallest and the largest. */
    static String spread(
            final List<Outcome> rounds,
            final ToDoubleFunction<Outcome> figure,
            final String format) {
        return rounds(rounds, figure).spread(format);
    }

    /**
     * A figure of ours over the other product's, by the same link, round by round; nothing where it
     * is the other's row, or nobody else is there.
     */
    static String ratio(
            final ReplicationPair.Kind kind,
            final List<Outcome> ours,
            final List<Outcome> theirs,
            final ToDoubleFunction<Measurement> figure) {
        return kind.isOurs() && theirs != null ? over(ours, theirs, figure) : "";
    }

    /** A figure of some rounds over that of others. */
    static String over(
            final List<Outcome> rounds,
            final List<Outcome> others,
            final ToDoubleFunction<Measurement> figure) {
        return rounds(rounds, of(figure)).over(rounds(others, of(figure))).spread("%.2f");
    }

    /** A figure of the writes. */
    static ToDoubleFunction<Outcome> of(final ToDoubleFunction<Measurement> figure) {
        return outcome -> figure.applyAsDouble(outcome.writes());
    }

    private static Rounds rounds(
            final List<Outcome> outcomes, final ToDoubleFunction<Outcome> figure) {
        return new Rounds(outcomes.stream().mapToDouble(figure).boxed().toList());
    }
}
