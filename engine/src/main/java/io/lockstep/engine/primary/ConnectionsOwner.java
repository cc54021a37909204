package io.lockstep.engine.primary;

import io.lockstep.engine.node.Summary;

/** Hears how {@link SecondaryConnections} fare, on the link's loop. */
interface ConnectionsOwner {
    /** All stand. The secondary's epochs are those of a lockstep, or 0 and 0. */
    void onUp(long sealedEpoch, long committedEpoch);

    /** A secondary of our own kind was found for a disk; answers whether it may have it. */
    void onFound(int disk, Summary secondary, boolean isPrimary, LinkOwner.Judgement judgement);

    /** Whether a disk's connection owes an answer, now that all stand. */
    boolean isAnswerOwed(int disk);

    /** Bytes that a foreign server works on, as far as it has not answered. */
    long owedLength();

    /** Whether it may still change the disks by what it was asked for and has not answered. */
    boolean isChangeOwed();

    /** They stood, and are cut; they are made again. */
    void onDown(String reason);

    /** They could not be made, and will be tried again; whether nobody listens. */
    void onUnreachable(String reason, boolean isRefused);

    /** The secondary is not fit for a disk, or will not have us: they have ended for good. */
    void onRefused(int disk, String reason);

    /** A disk of the pair is longer there, in bytes; they are cut, and made again. */
    void onLongerThere(int disk, long length);
}
