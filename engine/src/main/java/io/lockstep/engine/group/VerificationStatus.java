package io.lockstep.engine.group;

import java.util.List;

/**
 * What came of comparing the disks with the secondary's, or has so far: an immutable value. Lengths
 * are in bytes.
 *
 * @param state how it stands
 * @param isPaused whether it does nothing until it is resumed
 * @param compared of the disks
 * @param total the disks' length
 * @param differing in pieces of 64 KiB that differ somewhere
 * @param pieces that differ
 * @param first of those, in the order in which they were found: at most {@value #LISTED_MAX}
 * @param disks that were compared
 * @param nanos it took, or has taken so far
 * @param ageNanos since its end; 0 where it is under way
 * @param ending why it was ended before all was compared, a sentence; empty where it was not
 */
public record VerificationStatus(
        Job.State state,
        boolean isPaused,
        long compared,
        long total,
        long differing,
        long pieces,
        List<Piece> first,
        List<String> disks,
        long nanos,
        long ageNanos,
        String ending) {
    /** So many pieces are listed at most. */
    public static final int LISTED_MAX = 256;

    /** Takes what it is given. */
    public VerificationStatus {
        first = List.copyOf(first);
        disks = List.copyOf(disks);
    }

    /**
     * A piece that differs.
     *
     * @param disk its name
     */
    public record Piece(String disk, long offset, long length) {}

    /** Whether it goes on. */
    public boolean isUnderWay() {
        return state == Job.State.RUNNING;
    }
}
