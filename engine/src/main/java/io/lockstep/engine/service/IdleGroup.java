package io.lockstep.engine.service;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * What there is before replication has been started: nothing that could do anything. On the
 * engine's loop.
 *
 * @param status of the disks
 * @param node what their node knows of itself, if there is one
 */
record IdleGroup(GroupStatus status, Optional<NodeStatus> node) implements ReplicationGroup {
    @Override
    public Role role() {
        return status.role();
    }

    private static <T> CompletableFuture<T> notRunning() {
        return CompletableFuture.failedFuture(new GroupException("replication is not running"));
    }

    @Override
    public CompletableFuture<Void> start() {
        return notRunning();
    }

    @Override
    public CompletableFuture<Long> seal() {
        return notRunning();
    }

    @Override
    public CompletableFuture<Void> whenSealed() {
        return notRunning();
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        return notRunning();
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        return notRunning();
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        return notRunning();
    }

    @Override
    public CompletableFuture<Void> promote() {
        return notRunning();
    }

    @Override
    public CompletableFuture<Long> switchOver() {
        return notRunning();
    }

    @Override
    public CompletableFuture<Void> join() {
        return notRunning();
    }

    @Override
    public Optional<ReplicationError> error() {
        return Optional.empty();
    }
}
