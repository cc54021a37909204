package io.lockstep.engine.node;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Which of two nodes in a split brain gives its own way up by itself: a policy that counts only
 * where both have the same one. See docs/lives.md, "Split brain".
 */
public enum AfterSplitBrain {
    /** Neither, before somebody says it. */
    DISCONNECT(0, "disconnect"),

    /** The one whose own way began earlier. */
    DISCARD_OLDER(1, "discard-older"),

    /** The one that has changed less. */
    DISCARD_SMALLER(2, "discard-smaller");

    private final byte code;
    private final String text;

    AfterSplitBrain(final int code, final String text) {
        this.code = (byte) code;
        this.text = text;
    }

    /** What stands for it on the wire, for good. */
    byte code() {
        return code;
    }

    /**
     * What a code stands for.
     *
     * @throws IllegalArgumentException where it stands for nothing
     */
    static AfterSplitBrain of(final byte code) {
        for (final AfterSplitBrain policy : values()) {
            if (policy.code == code) {
                return policy;
            }
        }
        throw new IllegalArgumentException("no policy: " + code);
    }

    /** The one that is called so on the command line; empty where none is. */
    public static Optional<AfterSplitBrain> of(final String text) {
        return Arrays.stream(values()).filter(policy -> policy.text.equals(text)).findFirst();
    }

    /** All that there are, as on the command line. */
    public static List<String> texts() {
        return Arrays.stream(values()).map(AfterSplitBrain::toString).toList();
    }

    /**
     * Whether a node in a split brain gives its own way up, so that the other one's holds. Both
     * compute it for themselves; where what they say of themselves stays as it is, at most one of
     * them does.
     *
     * @param own what the node says of itself
     * @param peer what the other one does
     */
    public static boolean givesWay(final Summary own, final Summary peer) {
        final AfterSplitBrain policy = own.stance().policy();
        final Id common = own.lineage().newestCommon(peer.lineage());
        if (policy != peer.stance().policy() || common.isNone()) {
            return false;
        }
        if (own.lineage().isTornSince(common) || peer.lineage().isTornSince(common)) {
            return false;
        }
        if (own.stance().hasGuest() && !peer.stance().hasGuest()) {
            return false;
        }
        return switch (policy) {
            case DISCONNECT -> false;
            case DISCARD_OLDER -> isOlder(own, peer, common);
            case DISCARD_SMALLER ->
                    own.stance().isCounted()
                            && peer.stance().isCounted()
                            && own.stance().changed() < peer.stance().changed();
        };
    }

    private static boolean isOlder(final Summary own, final Summary peer, final Id common) {
        final boolean haveParted =
                !own.lineage().newest().equals(common) && !peer.lineage().newest().equals(common);
        return haveParted
                && own.lineage().successorOf(common).began()
                        < peer.lineage().successorOf(common).began();
    }

    /** As on the command line. */
    @Override
    public String toString() {
        return text;
    }
}
