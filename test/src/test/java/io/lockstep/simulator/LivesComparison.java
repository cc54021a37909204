package io.lockstep.simulator;

/** Looks whether two that are linked hold the same, when nothing is under way any more. */
final class LivesComparison {
    private static final long LATER = 300 * Simulation.SECOND;

    private LivesComparison() {}

    /**
     * Has the guest of a primary that is served rest, and all that is under way be done; then both
     * must be equal.
     *
     * @return whether they are linked, and not about to be something else
     */
    static boolean compare(final LivesNode lead) {
        final LivesNode secondary = lead.peer();
        if (lead.primary().filter(primary -> primary.isLinked() && primary.isRunning()).isEmpty()
                || secondary
                        .secondary()
                        .filter(other -> other.isLinked() && !other.isAsked())
                        .isEmpty()
                || !lead.isSound()
                || !secondary.isSound()) { // it is not made equal before it can record that
            return false;
        }
        final LivesPrimary primary = lead.primary().get();
        return rests(primary) && isMadeEqual(primary) && isEqual(lead);
    }

    private static boolean rests(final LivesPrimary primary) {
        final LivesGuest guest = primary.guest().get();
        guest.rest();
        primary.node()
                .simulation()
                .runUntil(
                        "the guest rests", LATER, () -> guest.isIdle() || isSomethingElse(primary));
        return !isSomethingElse(primary); // somebody had ordered it before
    }

    private static boolean isSomethingElse(final LivesPrimary primary) {
        return primary.isHandedOver() || primary.knowsNewer() || primary.isHolding();
    }

    private static boolean isMadeEqual(final LivesPrimary primary) {
        final Simulation simulation = primary.node().simulation();
        final LivesNode secondary = primary.node().peer();
        final boolean[] isDrained = new boolean[1];
        primary.loop().execute(() -> primary.group().drain(() -> isDrained[0] = true));
        simulation.runUntil(
                "the stream has drained", LATER, () -> isDrained[0] || isNoSecondary(secondary));
        simulation.runUntil(
                "the pair is equal",
                LATER,
                () ->
                        !primary.isSynchronising()
                                || !primary.isLinked()
                                || !primary.isRunning()
                                || !secondary.process().isLinked());
        return primary.isLinked()
                && primary.isRunning()
                && !primary.isSynchronising()
                && !isNoSecondary(secondary);
    }

    /** Whether it has taken over, or stopped: an order of before, which it had not heard yet. */
    private static boolean isNoSecondary(final LivesNode node) {
        return node.secondary().filter(LivesSecondary::isStandby).isEmpty();
    }

    private static boolean isEqual(final LivesNode lead) {
        lead.judge().checkEqual(lead, lead.peer());
        return true;
    }
}
