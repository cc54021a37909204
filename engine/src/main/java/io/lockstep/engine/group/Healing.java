package io.lockstep.engine.group;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;

/**
 * What a primary does so that its secondary becomes equal, to see that it is, and to stay so while
 * disks become longer: a synchronisation, a verification, a resize. On the group's loop.
 */
public interface Healing {
    /** That of who has no secondary. */
    Healing NONE = new Healing() {};

    /** Where the secondary is made equal: how far that is; empty where it is equal. */
    default Optional<SynchronisationStatus> synchronisation() {
        return Optional.empty();
    }

    /** The verification that is under way, or that was the last one; empty where there was none. */
    default Optional<VerificationStatus> verification() {
        return Optional.empty();
    }

    /**
     * Begins to compare all disks with the secondary's, while guests go on: what differs is noted,
     * and sent.
     *
     * @return done when it has begun; fails where it can't be now
     */
    default CompletableFuture<Void> verify() {
        return refuse(
                "this is no primary, which knows what its secondary should hold: say it on the"
                        + " other side");
    }

    /**
     * Begins a synchronisation again that was cancelled.
     *
     * @return done when it goes on as soon as it can; fails where none was
     */
    default CompletableFuture<Void> synchronise() {
        return refuse("no synchronisation was cancelled here");
    }

    /**
     * What a disk has become.
     *
     * @param before its length until now, in bytes
     * @param length from now on
     */
    record Taken(String disk, long before, long length) {}

    /**
     * Has both sides take the length that the files of disks have by now on both, in whole blocks.
     *
     * @param disk its name; empty for all whose files have become longer
     * @param size in bytes, for less than what the files have
     * @return what was taken, done when both sides have recorded it, and guests are told; fails
     *     where nothing can be taken, and where the secondary has not taken yet what this side has
     */
    default CompletableFuture<List<Taken>> lengthen(
            final Optional<String> disk, final OptionalLong size) {
        return refuse(
                "nothing was resized: this is no primary, which has its secondary take a length,"
                        + " too; say it on the other side, or make this node one first");
    }

    /**
     * Says what each side has, where this node has found itself in a split brain.
     *
     * @param isDiscarding whether this node gives its own way up: its guests' connections end, it
     *     is a secondary from then on, and is made equal
     * @return what there was before; fails where there is none, or nothing was given up
     */
    default CompletableFuture<SplitBrainStatus> resolve(final boolean isDiscarding) {
        return refuse(
                "no split brain was found here: a primary finds one when it meets its peer, and so"
                        + " does a node that was started with 'lockstep node' and has taken over,"
                        + " when its merge is done");
    }

    /** Has an action run whenever guests may be told of another length; instead of all before. */
    default void onLengthened(final Runnable action) {}

    /** What is under way, to be paused or cancelled. */
    default List<Job> jobs() {
        return List.of();
    }

    private static <T> CompletableFuture<T> refuse(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }
}
