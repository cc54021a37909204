package io.lockstep.engine.group;

import org.HdrHistogram.Histogram;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A group that lies over another one, which does all that is not said otherwise here. On the
 * group's loop.
 */
public abstract class LayeredGroup implements ReplicationGroup {
    /** The group below at this moment. */
    protected abstract ReplicationGroup target();

    @Override
    public Role role() {
        return target().role();
    }

    @Override
    public CompletableFuture<Void> start() {
        return target().start();
    }

    @Override
    public CompletableFuture<Long> seal() {
        return target().seal();
    }

    @Override
    public CompletableFuture<Void> whenSealed() {
        return target().whenSealed();
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        return target().commit(epoch);
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        return target().checkpoint();
    }

    @Override
    public CompletableFuture<Void> whenDurable(final long epoch) {
        return target().whenDurable(epoch);
    }

    @Override
    public CompletableFuture<Void> acknowledgeAt(final AckLevel level) {
        return target().acknowledgeAt(level);
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        return target().stop(failover);
    }

    @Override
    public CompletableFuture<Void> failOver(final boolean isForced) {
        return target().failOver(isForced);
    }

    @Override
    public void fenced() {
        target().fenced();
    }

    @Override
    public CompletableFuture<Void> promote() {
        return target().promote();
    }

    @Override
    public CompletableFuture<Long> switchOver() {
        return target().switchOver();
    }

    @Override
    public CompletableFuture<Void> join() {
        return target().join();
    }

    @Override
    public Optional<NodeStatus> node() {
        return target().node();
    }

    @Override
    public Healing healing() {
        return target().healing();
    }

    @Override
    public String ending() {
        return target().ending();
    }

    @Override
    public boolean hasFailedOver() {
        return target().hasFailedOver();
    }

    @Override
    public Optional<ReplicationError> error() {
        return target().error();
    }

    @Override
    public Optional<Histogram> commitDurations() {
        return target().commitDurations();
    }

    @Override
    public GroupStatus status() {
        return target().status();
    }
}
