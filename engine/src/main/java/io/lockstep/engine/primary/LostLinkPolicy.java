package io.lockstep.engine.primary;

/**
 * What a primary does when its link is lost: an immutable value.
 *
 * @param kind of the three
 * @param fencing who sees to it that the peer is out; null unless the kind is {@link Kind#FENCE}
 */
public record LostLinkPolicy(Kind kind, Fencing fencing) {
    /** What becomes of what the guest changes. */
    public enum Kind {
        /** It is acknowledged as soon as it is recorded that the peer may not get it. */
        CONTINUE("continue"),
        /** It is not acknowledged before the peer is back, or somebody has said that it is dead. */
        SUSPEND("suspend"),
        /** The same, or before the peer is fenced. */
        FENCE("fence");

        private final String word;

        Kind(final String word) {
            this.word = word;
        }

        /** As it is typed, and told. */
        public String word() {
            return word;
        }
    }

    /** The guest goes on alone. */
    public static final LostLinkPolicy CONTINUE = new LostLinkPolicy(Kind.CONTINUE, null);

    /** The guest waits. */
    public static final LostLinkPolicy SUSPEND = new LostLinkPolicy(Kind.SUSPEND, null);

    /** The guest waits until the peer is fenced. */
    public static LostLinkPolicy fence(final Fencing fencing) {
        return new LostLinkPolicy(Kind.FENCE, fencing);
    }
}
