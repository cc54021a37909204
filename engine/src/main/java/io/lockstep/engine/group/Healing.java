package io.lockstep.engine.group;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * What a primary does so that its secondary becomes equal, and to see that it is: a
 * synchronisation, or a verification. On the group's loop.
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

    /** What is under way, to be paused or cancelled. */
    default List<Job> jobs() {
        return List.of();
    }

    private static CompletableFuture<Void> refuse(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }
}
