package io.lockstep.engine.loop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What runs behind a future on a loop, and what becomes of what it throws. */
final class AfterFutureTest {
    private static final long DEADLINE_SECONDS = 30;

    private final BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>();
    private final CompletableFuture<String> future = new CompletableFuture<>();

    /** What happens, in its order. */
    private final List<String> log = new ArrayList<>();

    private NioLoop loop;

    @BeforeEach
    void startLoop() throws IOException {
        loop = new NioLoop("test-loop", 1000, errors::add);
        loop.start();
    }

    @AfterEach
    void closeLoop() {
        loop.close();
    }

    private Throwable nextError() throws InterruptedException {
        return errors.poll(DEADLINE_SECONDS, TimeUnit.SECONDS);
    }

    /** What was ordered of the loop before is done. */
    private void awaitLoop() throws Exception {
        final CompletableFuture<Void> done = new CompletableFuture<>();
        loop.execute(() -> done.complete(null));
        done.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
    }

    @Test
    void whatAnActionThrowsTheLoopThrows() throws Exception {
        final IllegalStateException onPurpose = new IllegalStateException("on purpose");
        loop.after(
                future,
                (value, thrown) -> {
                    throw onPurpose;
                });
        loop.execute(() -> future.complete("value"));
        assertSame(onPurpose, nextError());
        final AssertionError asserted = new AssertionError("on purpose, too");
        loop.after( // it is done, and the caller is no thread of the loop
                future,
                () -> {
                    throw asserted;
                });
        assertSame(asserted, nextError());
        awaitLoop();
        assertTrue(errors.isEmpty(), errors::toString);
    }

    /** Whoever completes it, and what else waits for it, knows nothing of that. */
    @Test
    void whatAnActionThrowsHoldsUpNobodyElse() throws Exception {
        final CompletableFuture<String> other = future.thenApply(value -> value);
        loop.after(
                future,
                () -> {
                    throw new IllegalStateException("on purpose");
                });
        loop.after(future, (value, thrown) -> log.add(value));
        assertTrue(future.complete("value"));
        assertEquals(List.of("value"), log);
        assertEquals("value", other.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertEquals("on purpose", nextError().getMessage());
    }

    @Test
    void anActionIsToldTheValueOrWhyThereIsNone() throws Exception {
        loop.after(future, (value, thrown) -> log.add(value + " " + thrown));
        future.complete("value");
        final CompletableFuture<String> failed = new CompletableFuture<>();
        final IOException failure = new IOException("the world outside");
        loop.after(
                failed,
                (value, thrown) -> {
                    assertSame(failure, thrown);
                    log.add(value + " " + thrown.getMessage());
                });
        failed.completeExceptionally(failure);
        assertEquals(List.of("value null", "null the world outside"), log);
        awaitLoop();
        assertTrue(errors.isEmpty(), "what an action has heard of is expected: " + errors);
    }

    @Test
    void anActionRunsAtOnceInWhoeverCompletesItOrIsTooLate() throws Exception {
        final Runnable action = () -> log.add(Thread.currentThread().getName());
        final String own = Thread.currentThread().getName();
        loop.after(future, action);
        loop.execute(
                () -> {
                    log.add("completes");
                    future.complete("value");
                    log.add("completed");
                });
        awaitLoop();
        assertEquals(List.of("completes", "test-loop", "completed"), log);
        loop.after(future, action);
        loop.after(future, (value, thrown) -> action.run());
        assertEquals(List.of(own, own), log.subList(3, log.size()));
    }

    @Test
    void whatCannotFailAndDoesTheLoopThrows() throws Exception {
        final IOException failure = new IOException("on purpose");
        loop.after(future, () -> log.add("done"));
        assertTrue(future.completeExceptionally(failure));
        final Throwable told = assertInstanceOf(IllegalStateException.class, nextError());
        assertSame(failure, told.getCause());
        assertFalse(log.contains("done"), "it runs behind what is done");
    }
}
