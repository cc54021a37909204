package io.lockstep.engine.node;

import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/**
 * What a process has its node say for the case of a split brain: see {@link Stance}. It is the same
 * whatever the node is, and told by whoever is asked. What was changed is counted once for each
 * finding, so that both sides judge by the same numbers, whenever they look at each other's. On the
 * group's loop.
 */
public final class OwnStance {
    private AfterSplitBrain policy = AfterSplitBrain.DISCONNECT;
    private BooleanSupplier hasGuest = () -> false;
    private Id peer = Id.NONE;
    private Id generation = Id.NONE;
    private long changed = Stance.UNKNOWN;

    /**
     * What the process was started with.
     *
     * @param guests whether a client of the guest is connected now
     */
    public void set(final AfterSplitBrain nowPolicy, final BooleanSupplier guests) {
        policy = nowPolicy;
        hasGuest = guests;
    }

    /**
     * Another node was found in a split brain: what this one has changed is counted, where that was
     * not done when it was found before. Answers whether it is news.
     *
     * @param now bytes, or {@link Stance#UNKNOWN}
     */
    public boolean count(final Summary found, final LongSupplier now) {
        final Id newest = found.lineage().newest();
        final boolean isNews = !found.node().equals(peer) || !newest.equals(generation);
        if (isNews) {
            peer = found.node();
            generation = newest;
            changed = now.getAsLong();
        }
        return isNews;
    }

    /** Nobody is found in a split brain any more: the next one is another one. */
    public void forget() {
        peer = Id.NONE;
        generation = Id.NONE;
        changed = Stance.UNKNOWN;
    }

    /** What it says now. */
    public Stance now() {
        return new Stance(policy, changed, hasGuest.getAsBoolean());
    }
}
