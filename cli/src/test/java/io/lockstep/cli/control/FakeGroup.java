package io.lockstep.cli.control;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Healing;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** A group that only counts epochs, and can be made to hang or to fail. On one loop. */
final class FakeGroup implements ReplicationGroup {
    private final Role role;
    private final List<String> calls = new ArrayList<>();
    private final List<Job> jobs = new ArrayList<>();
    private GroupStatus.State state = GroupStatus.State.RUNNING;
    private long sealedEpoch;
    private long committedEpoch;
    private ReplicationError error;

    /** What checkpoints wait for; null where they don't. */
    private CompletableFuture<Long> held;

    private String ending = "";

    FakeGroup(final Role role) {
        this.role = role;
    }

    List<String> calls() {
        return List.copyOf(calls);
    }

    void hold(final CompletableFuture<Long> until) {
        held = until;
    }

    void breakWith(final ReplicationError found) {
        error = found;
    }

    @Override
    public Role role() {
        return role;
    }

    @Override
    public CompletableFuture<Void> start() {
        calls.add("start");
        return state == GroupStatus.State.MERGING
                ? CompletableFuture.completedFuture(null)
                : CompletableFuture.failedFuture(
                        new GroupException("replication is already running"));
    }

    @Override
    public CompletableFuture<Long> seal() {
        calls.add("seal");
        return CompletableFuture.completedFuture(++sealedEpoch);
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        calls.add("commit " + epoch);
        if (epoch > sealedEpoch) {
            return CompletableFuture.failedFuture(new GroupException("epoch is not sealed"));
        }
        committedEpoch = epoch;
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        calls.add("checkpoint");
        if (!ending.isEmpty()) {
            return CompletableFuture.failedFuture(new GroupException(ending));
        }
        if (held != null) {
            return held;
        }
        committedEpoch = ++sealedEpoch;
        return CompletableFuture.completedFuture(committedEpoch);
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        calls.add("stop " + failover);
        if (!ending.isEmpty()) {
            return CompletableFuture.completedFuture(null);
        }
        ending = failover ? "it took over" : "it was stopped";
        state = failover ? GroupStatus.State.MERGING : GroupStatus.State.ALONE;
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public Healing healing() {
        return new Healing() {
            @Override
            public List<Job> jobs() {
                return List.copyOf(jobs);
            }
        };
    }

    /** A job begins that only notes what it is told. */
    Job addJob() {
        final Job job = new NotedJob();
        jobs.add(job);
        return job;
    }

    private final class NotedJob implements Job {
        private State state = State.RUNNING;
        private boolean isPaused;
        private long speed;

        @Override
        public Report report() {
            return new Report(Kind.SYNCHRONISATION, state, isPaused, 7, 70, speed, "");
        }

        @Override
        public void pause() {
            isPaused = true;
        }

        @Override
        public void resume() {
            isPaused = false;
        }

        @Override
        public void cancel() {
            state = State.CANCELLED;
            jobs.remove(this);
        }

        @Override
        public void speed(final long bytes) {
            speed = bytes;
        }
    }

    @Override
    public String ending() {
        return ending;
    }

    @Override
    public boolean hasFailedOver() {
        return state == GroupStatus.State.MERGING;
    }

    @Override
    public Optional<ReplicationError> error() {
        return Optional.ofNullable(error);
    }

    @Override
    public GroupStatus status() {
        return new GroupStatus(
                role,
                state,
                "somewhere",
                true,
                0,
                "",
                sealedEpoch + 1,
                sealedEpoch,
                committedEpoch,
                committedEpoch,
                GroupStatus.Acknowledging.LOCAL,
                10,
                20,
                30,
                40,
                50,
                60,
                List.of(new GroupStatus.DiskStatus("vda", 4096, 1, 2, 3, 4, 5)));
    }
}
