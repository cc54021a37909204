package io.lockstep.engine.service;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * What is left of a primary whose replication children were taken away: its guests use plain disks,
 * and every way out has been taken. A manager that takes the others as well, in its own order, has
 * what it wants. On the engine's loop.
 *
 * @param status as it was told last, of an end
 */
record EndedGroup(GroupStatus status) implements ReplicationGroup {
    @Override
    public Role role() {
        return status.role();
    }

    @Override
    public CompletableFuture<Void> start() {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletableFuture<Long> seal() {
        return fail();
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        return fail();
    }

    private <T> CompletableFuture<T> fail() {
        return CompletableFuture.failedFuture(
                new GroupException("replication is not running: " + ending()));
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        return fail();
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public String ending() {
        return "its children were removed on the primary, whose disks are plain ones since";
    }

    @Override
    public Optional<ReplicationError> error() {
        return Optional.empty();
    }
}
