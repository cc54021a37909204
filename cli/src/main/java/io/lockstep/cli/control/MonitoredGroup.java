package io.lockstep.cli.control;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.LayeredGroup;
import io.lockstep.engine.group.ReplicationGroup;

import java.util.concurrent.CompletableFuture;

/**
 * A primary group whose secondary knows no epochs, and is checkpointed over its QMP monitor. A
 * sealed epoch has been answered in full, and what comes after it waits in the log: so what the
 * secondary's checkpoint covers is that epoch. Once that has succeeded the epoch is committed, and
 * the log goes on; where it fails the epoch stays sealed, and the next checkpoint begins with it. A
 * group that is no primary is left as it is. On the group's loop.
 */
public final class MonitoredGroup extends LayeredGroup {
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

    @Override
    protected ReplicationGroup target() {
        return group;
    }
}
