package io.lockstep.engine.primary;

import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;

/** Hears how a {@link Link} fares, on the link's loop. */
interface LinkOwner {
    /** All disks are linked. The secondary's epochs are those of a lockstep, or 0 and 0. */
    void onUp(boolean isForeign, long sealedEpoch, long committedEpoch);

    /**
     * A secondary of our own kind was found for a disk; whether it may have it is asked.
     *
     * @param isPrimary whether it is none, but a primary's process, to which nobody attaches
     */
    void onFound(int disk, Summary secondary, boolean isPrimary, Judgement judgement);

    /** The secondary has recorded that it was left behind. */
    void onPeerOut();

    /** It has not, as it is no secondary of this node any more; in its words. */
    default void onNotOutdated(final String reason) {}

    /** It was up, and is down; it connects again. */
    void onDown(String reason);

    /**
     * It could not be made, and will be tried again.
     *
     * @param isRefused whether nobody listens where the secondary does
     */
    void onUnreachable(String reason, boolean isRefused);

    /** The secondary won't have a disk of ours: the link has ended. */
    void onUnfit(String disk, String reason);

    /** A disk of the pair is longer at the secondary, in bytes; the link is made again. */
    default void onLongerThere(final int disk, final long length) {}

    /**
     * The secondary refused something that was forwarded: the link has ended.
     *
     * @param what was refused: a noun
     * @param offset of it on the disk; -1 where it has none
     * @param reason the secondary's words; empty where it gave none
     */
    void onRefused(String what, String disk, long offset, int errno, String reason);

    /** The seals of an epoch were answered for all disks. */
    void onSealed(long epoch);

    /** The commit of an epoch was answered, or its seals, which commit as well. */
    void onCommitted(long epoch);

    /**
     * What both hold was compared, or was not ({@link Comparison#NOT_DONE}).
     *
     * @param disk of which
     * @param frame that asked for it
     * @param differing a bit for each piece that differs, the lowest for the first
     */
    void onCompared(int disk, long frame, long differing);

    /** A former primary has noted these blocks of a disk: 64 a word, from one on. */
    void onTail(int disk, long firstBlock, long[] bits);

    /** Those were all. */
    void onTailEnd(int disk);

    /**
     * The secondary has made durable all up to the end of an epoch, and has recorded that: it knows
     * of it after the loss of power.
     */
    void onDurable(long epoch);

    /** An epoch that was asked for is committed, and on the secondary's stable storage. */
    void onStored(long epoch);

    /**
     * The flags of the secondary's STATE are others than they were when it was linked, or since.
     */
    void onFlags(int flags);

    /** Frames were released. */
    void onReleased();

    /**
     * What the primary finds of a secondary.
     *
     * @param refusal why it is refused; null where it is not
     * @param isFinal whether it is for good; otherwise it is asked again after a while
     * @param own what the primary says of itself
     * @param word what its user says of the disks
     * @param toCome bytes of the disk that are to be sent or compared, as far as is known
     */
    record Ruling(String refusal, boolean isFinal, Summary own, Word word, long toCome) {}

    /** Hears what the primary finds of a secondary, on the link's loop. */
    interface Judgement {
        /** It is told. */
        void onJudged(Ruling ruling);
    }
}
