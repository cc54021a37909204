package io.lockstep.engine.group;

import org.HdrHistogram.Histogram;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * One side of a replicated disk group, with the four operations of block replication: start,
 * checkpoint, get-error and stop; and a checkpoint's two halves, for managers that use them apart.
 *
 * <p>All methods are called on the group's loop, and so are the stages that hang on a future. A
 * future fails with a {@link GroupException} whose message is for the manager. Source: QEMU's
 * {@code docs/block-replication.txt}, "New block driver interface".
 */
public interface ReplicationGroup {
    /** Which side it is. */
    Role role();

    /**
     * Starts replication.
     *
     * @return fails where it has been started, or where the pair can't be (a primary waits for its
     *     peer's word)
     */
    CompletableFuture<Void> start();

    /**
     * Ends the open epoch of every disk.
     *
     * @return the epoch that was sealed
     */
    CompletableFuture<Long> seal();

    /**
     * Waits for the seal of the epoch that was ended last, where that has not been answered in
     * time.
     *
     * @return done when it is sealed; at once where no seal is under way
     */
    default CompletableFuture<Void> whenSealed() {
        return CompletableFuture.completedFuture(null);
    }

    /**
     * Makes a sealed epoch, and all before it, the state that failover returns to.
     *
     * @return done when it is so on the secondary
     */
    CompletableFuture<Void> commit(long epoch);

    /**
     * Commits what is sealed already, seals, and commits what it sealed. On a secondary whose
     * primary seals for itself: commits what is sealed on every disk, and fails where that is done.
     *
     * @return the epoch that is now the last committed one; fails where nothing is checkpointed,
     *     and so after the end of replication
     */
    CompletableFuture<Long> checkpoint();

    /**
     * Waits until an epoch is on the secondary's stable storage, of a primary.
     *
     * @param epoch that is committed, or will be
     */
    default CompletableFuture<Void> whenDurable(final long epoch) {
        return CompletableFuture.failedFuture(
                new GroupException(
                        "this is no primary: ask there for a checkpoint that is durable"));
    }

    /**
     * Has a primary answer its guest at another level from now on.
     *
     * @return fails where it can't
     */
    default CompletableFuture<Void> acknowledgeAt(final AckLevel level) {
        return CompletableFuture.failedFuture(
                new GroupException(
                        "this is no primary, whose guest could be answered at another level"));
    }

    /**
     * Stops replication.
     *
     * @param failover of a secondary: return to the last checkpoint, overlaid with its guest's
     *     writes, and go on alone, with the merge behind; of a primary: go on alone
     * @return done when the guest is served that way; the merge may go on
     */
    CompletableFuture<Void> stop(boolean failover);

    /**
     * Has a secondary take over at the last checkpoint, as {@link #stop} with a failover does.
     *
     * @param isForced also where {@link NodeStatus#verdict} refuses it
     */
    default CompletableFuture<Void> failOver(final boolean isForced) {
        return stop(true);
    }

    /**
     * Somebody knows that the peer is fenced, which the next order asks for of a node that shares
     * its disks. For a failover of a secondary: the primary that was linked last writes them no
     * more. For {@link #promote} and {@link #stop} of a primary: the secondary's process that was
     * linked last has ended. It holds for that order alone, and until the two are linked.
     */
    default void fenced() {}

    /**
     * Has a primary serve its guest that waits for its peer: whoever says so knows that the peer
     * has not taken over.
     */
    default CompletableFuture<Void> promote() {
        final boolean isSecondary =
                role() == Role.SECONDARY
                        && node().filter(node -> !node.record().standing().isPrimary()).isPresent();
        return CompletableFuture.failedFuture(
                new GroupException(
                        isSecondary
                                ? "this node is a secondary: to have it take over say 'lockstep"
                                        + " failover'"
                                : "the guest waits for nothing: it is served already"));
    }

    /**
     * Switches the roles of the two nodes, on either side: the primary hands over at a checkpoint
     * that has everything, or goes on as if nothing had been.
     *
     * @return the epoch at which the other one has taken over; fails where it has not, or where
     *     that is not known yet
     */
    default CompletableFuture<Long> switchOver() {
        return CompletableFuture.failedFuture(
                new GroupException(
                        "roles are switched between two that are started with 'lockstep node'"));
    }

    /**
     * Has a secondary's disks overwritten by the primary that comes next, once. A node that is in a
     * pair leaves it.
     *
     * @return done when it is recorded; fails on a primary
     */
    default CompletableFuture<Void> join() {
        return CompletableFuture.failedFuture(
                new GroupException(
                        "this is no secondary, whose disks could be overwritten: say it on the side"
                                + " that gives way"));
    }

    /** What its node knows of itself; empty where there is none yet. */
    default Optional<NodeStatus> node() {
        return Optional.empty();
    }

    /** What is done so that the secondary becomes equal, and to see that it is. */
    default Healing healing() {
        return Healing.NONE;
    }

    /** How replication has ended here, a sentence for people; empty while it has not. */
    default String ending() {
        return "";
    }

    /** Whether this was a secondary, and has taken over, whatever it is since. */
    default boolean hasFailedOver() {
        return false;
    }

    /** The first error since replication was started; empty where there was none. */
    Optional<ReplicationError> error();

    /**
     * How long commits took in here, from the command to the moment from which every reader sees
     * the new epoch, in nanoseconds; empty on the side that does not commit. The group goes on
     * counting in it.
     */
    default Optional<Histogram> commitDurations() {
        return Optional.empty();
    }

    /** What there is to know now. */
    GroupStatus status();

    /** The side of a pair. */
    enum Role {
        PRIMARY,
        SECONDARY
    }
}
