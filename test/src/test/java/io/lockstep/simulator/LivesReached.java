package io.lockstep.simulator;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/** Counts in how many stories each line was reached. */
final class LivesReached {
    private final Map<LivesLine, Integer> counts = new EnumMap<>(LivesLine.class);
    private final Set<LivesLine> present = EnumSet.noneOf(LivesLine.class);
    private final PromiseCounts promises = new PromiseCounts();
    private int stories;

    /** A story is over. */
    void endStory() {
        stories++;
        present.forEach(line -> counts.merge(line, 1, Integer::sum));
        present.clear();
    }

    /** How many stories there were: of few nobody asks what they came to. */
    int stories() {
        return stories;
    }

    /** What guests were promised, and how often that was looked at. */
    PromiseCounts promises() {
        return promises;
    }

    void note(final LivesLine line) {
        present.add(line);
    }

    /** Somebody was told something. */
    void note(final String sentence) {
        for (final LivesLine line : LivesLine.values()) {
            if (line.isIn(sentence)) {
                present.add(line);
            }
        }
    }

    /**
     * Those that no story came to.
     *
     * @param of which lines are asked for
     */
    Set<LivesLine> missing(final LivesLine.Stories of) {
        final Set<LivesLine> missing = EnumSet.allOf(LivesLine.class);
        missing.removeAll(counts.keySet());
        missing.removeIf(line -> line.stories() != of);
        return missing;
    }

    @Override
    public String toString() {
        return counts.toString();
    }
}
