package io.lockstep.engine.service;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.primary.PrimaryGroup;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** The start of a primary that gives up where its secondary does not come in time. */
final class StartInTime {
    private StartInTime() {}

    /**
     * Starts it. A secondary that can't be had is told of, and the primary is as it was before.
     *
     * @param nanos how long its secondary is waited for; 0 for as long as it takes
     * @param abandon undoes it, if it gives up
     */
    static CompletableFuture<Void> of(
            final PrimaryGroup primary,
            final IoLoop loop,
            final long nanos,
            final Runnable abandon) {
        final CompletableFuture<Void> answer = new CompletableFuture<>();
        final CompletableFuture<Void> started = primary.start();
        loop.after(
                started,
                (done, thrown) -> {
                    if (thrown == null) {
                        answer.complete(null);
                        return;
                    }
                    if (nanos > 0) {
                        abandon.run();
                    }
                    answer.completeExceptionally(thrown);
                });
        if (nanos > 0) {
            loop.schedule(nanos, () -> started.completeExceptionally(late(primary, nanos)));
        }
        return answer;
    }

    private static GroupException late(final PrimaryGroup primary, final long nanos) {
        return new GroupException(
                "the secondary at "
                        + primary.status().peer()
                        + " could not be attached to within "
                        + TimeUnit.NANOSECONDS.toSeconds(nanos)
                        + " s; see that it runs, and start again");
    }
}
