package io.lockstep.engine.primary;

import java.util.Optional;

/**
 * Why the guest of a primary is not served, and what somebody may do about it, in sentences.
 *
 * @param reason why the peer is not linked
 * @param isShared whether both nodes see the same disks
 */
record UnservedGuest(String reason, boolean isShared) {
    private static final String WAITS = "the guest waits: ";

    /** Why nobody has it go on at this moment. */
    static final String MEETING = "the two are meeting just now; where they don't, say it again";

    /** Why nobody has a primary go on where its peer has taken over the disks of both. */
    static Optional<String> oneTooMany(final boolean hasTakenOver, final String found) {
        return hasTakenOver ? Optional.of(oneTooMany(found)) : Optional.empty();
    }

    private static String oneTooMany(final String found) {
        return "the peer has taken over the disks that both see, and one of the two may write them:"
                + " this node can't ("
                + found
                + "). 'lockstep node' is the peer's secondary; where the peer is gone for good,"
                + " stop this node, start it again, and say 'lockstep promote --fenced'";
    }

    private String promote() {
        return isShared ? "'lockstep promote --fenced'" : "'lockstep promote'";
    }

    /** Where it is not known whether the peer has taken over as it was asked to. */
    String ofDoubt(final String doubt) {
        return WAITS
                + doubt
                + " ("
                + reason
                + "); it goes on, here or there, when the two have met; if the peer is gone for"
                + " good and has not taken over, say "
                + promote();
    }

    /** The peer has taken over. */
    String ofSupplanted() {
        return isShared
                ? ofTwoPrimaries()
                : WAITS
                        + reason
                        + "; where it is to go on here all the same, say 'lockstep promote', or"
                        + " 'lockstep stop' for good";
    }

    /** The same, and it does not end by itself. */
    String ofTwoPrimaries() {
        return WAITS + reason;
    }

    /** The peer may have taken over. */
    String ofUnknownPeer() {
        return WAITS
                + "this primary can't know whether its peer has taken over meanwhile ("
                + reason
                + "); if it has not, say "
                + promote();
    }
}
