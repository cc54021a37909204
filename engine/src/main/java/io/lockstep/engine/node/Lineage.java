package io.lockstep.engine.node;

import java.util.ArrayList;
import java.util.List;

/**
 * A node's generations, the newest first. Epochs are numbered on and on through all of them.
 * Immutable.
 *
 * <p>Limit: {@link #LENGTH_MAX}; the oldest fall off, and what is older counts as unrelated.
 *
 * @param reigns the newest first
 */
public record Lineage(List<Reign> reigns) {
    /** Generations that are remembered. */
    public static final int LENGTH_MAX = 32;

    /** Of a node that was never in a pair. */
    public static final Lineage NONE = new Lineage(List.of());

    /** Copies the list, and checks its bounds. */
    public Lineage {
        reigns = List.copyOf(reigns);
        if (reigns.size() > LENGTH_MAX) {
            throw new IllegalArgumentException("a lineage of " + reigns.size() + " generations");
        }
        if (reigns.stream().map(Reign::generation).distinct().count() != reigns.size()) {
            throw new IllegalArgumentException("a lineage that has a generation twice");
        }
    }

    /** Whether there is none. */
    public boolean isNone() {
        return reigns.isEmpty();
    }

    /** The newest generation; none where there is no lineage. */
    public Id newest() {
        return isNone() ? Id.NONE : reigns.getFirst().generation();
    }

    /** A lineage with one generation more, which began at an epoch of the newest one. */
    public Lineage begin(final Reign reign) {
        final List<Reign> longer = new ArrayList<>(reigns.size() + 1);
        longer.add(reign);
        longer.addAll(reigns.subList(0, Math.min(reigns.size(), LENGTH_MAX - 1)));
        return new Lineage(longer);
    }

    /** Whether a generation is one of these. */
    public boolean has(final Id generation) {
        return indexOf(generation) >= 0;
    }

    private int indexOf(final Id generation) {
        for (int i = 0; i < reigns.size(); i++) {
            if (reigns.get(i).generation().equals(generation)) {
                return i;
            }
        }
        return -1;
    }

    /** The newest generation that both have; none where they have nothing in common. */
    public Id newestCommon(final Lineage other) {
        for (final Reign reign : reigns) {
            if (other.has(reign.generation())) {
                return reign.generation();
            }
        }
        return Id.NONE;
    }

    /**
     * Whether one that is newer than a generation began from what was no checkpoint.
     *
     * @param generation one of these
     */
    public boolean isTornSince(final Id generation) {
        return reigns.subList(0, indexOf(generation)).stream().anyMatch(Reign::isTorn);
    }

    /**
     * The reign for which a generation was left: the next newer one.
     *
     * @param generation one of these, and not the newest
     */
    public Reign successorOf(final Id generation) {
        final int index = indexOf(generation);
        if (index < 1) {
            throw new IllegalArgumentException(generation.brief() + " was never left");
        }
        return reigns.get(index - 1);
    }
}
