package io.lockstep.engine.service;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.Healing;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;

import org.HdrHistogram.Histogram;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A group whose operations are those of another one, which has the role at the moment; where none
 * has, there is nothing to operate. On the group's loop.
 */
abstract class GroupInRole implements ReplicationGroup {
    /** Who has the role; empty for nobody. */
    abstract Optional<ReplicationGroup> current();

    @Override
    public CompletableFuture<Long> seal() {
        return current().map(ReplicationGroup::seal).orElseGet(GroupInRole::notRunning);
    }

    @Override
    public CompletableFuture<Void> whenSealed() {
        return current().map(ReplicationGroup::whenSealed).orElseGet(GroupInRole::notRunning);
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        return current().map(group -> group.commit(epoch)).orElseGet(GroupInRole::notRunning);
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        return current().map(ReplicationGroup::checkpoint).orElseGet(GroupInRole::notRunning);
    }

    @Override
    public CompletableFuture<Void> promote() {
        return current().map(ReplicationGroup::promote).orElseGet(GroupInRole::notRunning);
    }

    @Override
    public CompletableFuture<Long> switchOver() {
        return current().map(ReplicationGroup::switchOver).orElseGet(GroupInRole::notRunning);
    }

    static <T> CompletableFuture<T> notRunning() {
        return fail("replication is not running");
    }

    static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    @Override
    public Optional<ReplicationError> error() {
        return current().flatMap(ReplicationGroup::error);
    }

    @Override
    public String ending() {
        return current().map(ReplicationGroup::ending).orElse("");
    }

    @Override
    public CompletableFuture<Void> join() {
        return current().map(ReplicationGroup::join).orElseGet(GroupInRole::notRunning);
    }

    @Override
    public Healing healing() {
        return current().map(ReplicationGroup::healing).orElse(Healing.NONE);
    }

    @Override
    public Optional<Histogram> commitDurations() {
        return current().flatMap(ReplicationGroup::commitDurations);
    }
}
