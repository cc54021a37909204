package io.lockstep.simulator;

import io.lockstep.engine.group.AckLevel;

import java.util.Map;
import java.util.TreeMap;

/** How many promises all stories of a test made, and how often they were looked at. */
final class PromiseCounts {
    private final Map<String, Integer> counts = new TreeMap<>();

    private void count(final String what) {
        counts.merge(what, 1, Integer::sum);
    }

    /** A request was answered, and that promises something. */
    void promised(final AckLevel level, final boolean isChange, final boolean isInForce) {
        count((isChange ? "changes at " : "flushes at ") + level);
        if (!isInForce) {
            count("promises though the level is not in force");
        }
    }

    /** One was answered that promises nothing. */
    void alone() {
        count("answers alone");
    }

    /** Somebody took over. */
    void checked() {
        count("failovers");
    }

    /** Somebody took over, and a meeting would not find out that the primary had gone on alone. */
    void checkedAlone() {
        count("failovers in silence");
    }

    /** Somebody lost power, or took over without a checkpoint. */
    void checkedStored() {
        count("stable storage");
    }

    /** Whether something was ever counted. */
    boolean hasSeen(final String what) {
        return counts.containsKey(what);
    }

    @Override
    public String toString() {
        return counts.toString();
    }
}
