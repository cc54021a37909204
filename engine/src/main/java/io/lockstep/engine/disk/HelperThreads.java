package io.lockstep.engine.disk;

import io.lockstep.engine.loop.Cores;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The threads that make the calls which can wait for a device, so that a loop need not. Shared by
 * all disks of a process; from any thread.
 *
 * <p>At the limit of the queue the caller does its operation itself: the loop then waits as long as
 * the device does, which is the only thing left that bounds the queue.
 */
public final class HelperThreads implements AutoCloseable {
    /** Operations that wait in the queue at most. */
    static final int QUEUE_LENGTH_MAX = 4096;

    private static final int THREADS = 8;
    private static final long IDLE_SECONDS = 30;
    private static final long CLOSE_SECONDS = 30;

    private final AtomicInteger threadNumber = new AtomicInteger();
    private final ThreadPoolExecutor executor;

    /** Threads start when they are first needed, and end when they are not. */
    public HelperThreads() {
        executor =
                new ThreadPoolExecutor(
                        THREADS,
                        THREADS,
                        IDLE_SECONDS,
                        TimeUnit.SECONDS,
                        new ArrayBlockingQueue<>(QUEUE_LENGTH_MAX),
                        this::newThread,
                        new ThreadPoolExecutor.CallerRunsPolicy());
        executor.allowCoreThreadTimeOut(true);
    }

    private Thread newThread(final Runnable runnable) {
        final Thread thread =
                new Thread(
                        () -> {
                            Cores.useAll(); // the loop that needs it first may be held to one
                            runnable.run();
                        },
                        "lockstep-disk-" + threadNumber.incrementAndGet());
        thread.setDaemon(true);
        return thread;
    }

    /** Has a call made that can wait for a device. */
    public void execute(final Runnable operation) {
        executor.execute(operation);
    }

    /** Waits for the operations under way, within a bound. */
    @Override
    public void close() {
        executor.shutdown();
        try {
            if (!executor.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
                executor.shutdownNow();
            }
        } catch (final InterruptedException e) {
            executor.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
