package io.lockstep.engine.service;

import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.tracking.Background;

import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;

/** Has helper threads wait for a tracking's storage, and a loop hear of it. */
record HelpersForTracking(HelperThreads helpers, IoLoop loop) implements Background {
    @Override
    public void run(final Action action, final Consumer<Optional<String>> whenDone) {
        helpers.execute(
                () -> {
                    try {
                        final Optional<String> failure = failureOf(action);
                        loop.execute(() -> whenDone.accept(failure));
                    } catch (final RuntimeException | Error e) {
                        loop.execute(() -> rethrow(e)); // what waits for it would wait for ever
                    }
                });
    }

    private static Optional<String> failureOf(final Action action) {
        try {
            action.run();
            return Optional.empty();
        } catch (final IOException e) {
            return Optional.of(e.getMessage());
        }
    }

    private static void rethrow(final Throwable thrown) {
        throw new IllegalStateException("a tracking could not be stored", thrown);
    }
}
