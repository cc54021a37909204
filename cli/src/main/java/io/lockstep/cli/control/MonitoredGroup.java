package io.lockstep.cli.control;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Healing;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;

import org.HdrHistogram.Histogram;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A primary group whose secondary knows no epochs, and is checkpointed over its QMP monitor. A
 * sealed epoch has been answered in full, and what comes after it waits in the log: so what the
 * secondary's checkpoint covers is that epoch. Once that has succeeded the epoch is committed, and
 * the log goes on; where it fails the epoch stays sealed, and the next checkpoint begins with it. A
 * group that is no primary is left as it is. On the group's loop.
 */
public final class MonitoredGroup implements ReplicationGroup {
    private final ReplicationGroup group;
    private final PeerMonitor monitor;

    /** The commit that is under way; null for none. */
    private CompletableFuture<Void> committing;

    /** A primary, and where its secondary is checkpointed. */
    public MonitoredGroup(final ReplicationGroup group, final PeerMonitor monitor) {
        this.group = group;
        this.monitor = monitor;
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        final GroupStatus status = group.status();
        if (group.role() != Role.PRIMARY
                || epoch <= status.committedEpoch()
                || epoch > status.sealedEpoch()) {
            return group.commit(epoch); // done before, or to be refused
        }
        if (!status.linked()) {
            return CompletableFuture.failedFuture(
                    new GroupException(
                            "the secondary at "
                                    + status.peer()
                                    + " is not linked: epoch "
                                    + epoch
                                    + " stays sealed, and the next checkpoint begins with it; see"
                                    + " that the secondary runs and can be reached"));
        }
        if (committing == null) {
            committing = monitor.checkpoint().thenCompose(done -> group.commit(epoch));
            forgetAtEnd(committing);
        }
        return committing;
    }

    @SuppressWarnings("FutureReturnValueIgnored") // an assignment does not fail
    private void forgetAtEnd(final CompletableFuture<Void> present) {
        present.whenComplete((done, thrown) -> committing = null);
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        final GroupStatus status = group.status();
        if (group.role() != Role.PRIMARY || status.state() == GroupStatus.State.ALONE) {
            return group.checkpoint();
        }
        return group.whenSealed()
                .thenCompose(done -> commitSealed())
                .thenCompose(done -> sealAndCommit());
    }

    private CompletableFuture<Void> commitSealed() {
        final GroupStatus status = group.status();
        return status.sealedEpoch() > status.committedEpoch()
                ? commit(status.sealedEpoch())
                : CompletableFuture.completedFuture(null);
    }

    private CompletableFuture<Long> sealAndCommit() {
        return group.seal().thenCompose(epoch -> commit(epoch).thenApply(done -> epoch));
    }

    // ---- As it is.

    @Override
    public Role role() {
        return group.role();
    }

    @Override
    public CompletableFuture<Void> start() {
        return group.start();
    }

    @Override
    public CompletableFuture<Long> seal() {
        return group.seal();
    }

    @Override
    public CompletableFuture<Void> whenSealed() {
        return group.whenSealed();
    }

    @Override
    public String ending() {
        return group.ending();
    }

    @Override
    public boolean hasFailedOver() {
        return group.hasFailedOver();
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        return group.stop(failover);
    }

    @Override
    public CompletableFuture<Void> failOver(final boolean isForced) {
        return group.failOver(isForced);
    }

    @Override
    public CompletableFuture<Void> join() {
        return group.join();
    }

    @Override
    public Healing healing() {
        return group.healing();
    }

    @Override
    public CompletableFuture<Long> switchOver() {
        return group.switchOver();
    }

    @Override
    public CompletableFuture<Void> promote() {
        return group.promote();
    }

    @Override
    public Optional<NodeStatus> node() {
        return group.node();
    }

    @Override
    public Optional<ReplicationError> error() {
        return group.error();
    }

    @Override
    public Optional<Histogram> commitDurations() {
        return group.commitDurations();
    }

    @Override
    public GroupStatus status() {
        return group.status();
    }
}
