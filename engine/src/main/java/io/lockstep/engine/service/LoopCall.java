package io.lockstep.engine.service;

import io.lockstep.engine.loop.IoLoop;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Has a loop do something for a thread that waits for it. Stateless. */
public final class LoopCall {
    private static final long SECONDS_MAX = 30;

    private LoopCall() {}

    /** What is to be done on the loop. */
    public interface Action<T> {
        /** Does it. */
        T run() throws IOException;
    }

    /**
     * Runs an action on a loop and waits for its value. Not from the loop's own thread.
     *
     * @throws IOException what the action threw; or where the loop does not answer in half a minute
     */
    public static <T> T call(final IoLoop loop, final Action<T> action) throws IOException {
        final CompletableFuture<T> outcome = new CompletableFuture<>();
        loop.execute(
                () -> {
                    try {
                        outcome.complete(action.run());
                    } catch (final IOException e) {
                        outcome.completeExceptionally(e);
                    } catch (final RuntimeException | Error e) {
                        outcome.completeExceptionally(e);
                        throw e; // the loop reports what should not happen
                    }
                });
        return await(outcome, SECONDS_MAX);
    }

    /** Waits for a future of a loop. */
    static <T> T await(final CompletableFuture<T> future, final long seconds) throws IOException {
        try {
            return future.get(seconds, TimeUnit.SECONDS);
        } catch (final ExecutionException e) {
            if (e.getCause() instanceof IOException cause) {
                throw cause;
            }
            final Throwable cause = e.getCause();
            throw new IOException(
                    cause.getMessage() == null ? cause.toString() : cause.getMessage(), cause);
        } catch (final TimeoutException e) {
            throw new IOException("no answer within " + seconds + " seconds", e);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
