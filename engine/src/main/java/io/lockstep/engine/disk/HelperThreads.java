package io.lockstep.engine.disk;

import io.lockstep.engine.loop.Cores;

import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The threads that make the calls which can wait for a device, so that a loop need not. Each disk
 * has its own, and so has a node's state: a device that doesn't answer holds up nobody else's
 * calls. From any thread.
 *
 * <p>Operations that wait for a thread are bounded by those that submit them: an operation is one
 * of a client's requests in flight, or a part of it. Nobody is ever made to wait.
 */
public final class HelperThreads implements AutoCloseable {
    private static final int THREADS = 8;
    private static final long IDLE_SECONDS = 30;
    private static final long CLOSE_SECONDS = 30;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
    private int threads;
    private int idle;
    private int made;
    private boolean isClosed;

    /** Threads start when they are first needed, and end when they are not. */
    public HelperThreads() {}

    /** Has a call made that can wait for a device. Its exceptions are its own to report. */
    public void execute(final Runnable operation) {
        lock.lock();
        try {
            waiting.add(operation);
            if (idle >= waiting.size()) {
                changed.signal();
            } else if (threads < THREADS) {
                threads++;
                start();
            }
        } finally {
            lock.unlock();
        }
    }

    private void start() {
        final Thread thread = new Thread(this::work, "lockstep-disk-" + ++made);
        thread.setDaemon(true);
        boolean isStarted = false;
        try {
            thread.start();
            isStarted = true;
        } finally {
            threads -= isStarted ? 0 : 1;
        }
    }

    private void work() {
        Cores.useAll(); // the loop that needs it first may be held to one
        try {
            Runnable operation = next();
            while (operation != null) {
                operation.run();
                operation = next();
            }
        } finally {
            onEnd();
        }
    }

    private void onEnd() {
        lock.lock();
        try {
            threads--;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Waits for one; null where the thread is to end. */
    private Runnable next() {
        lock.lock();
        try {
            long nanos = TimeUnit.SECONDS.toNanos(IDLE_SECONDS);
            while (waiting.isEmpty() && !isClosed && nanos > 0) {
                idle++;
                try {
                    nanos = changed.awaitNanos(nanos);
                } finally {
                    idle--;
                }
            }
            return waiting.poll();
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the operations under way, within a bound. */
    @Override
    public void close() {
        lock.lock();
        try {
            isClosed = true;
            changed.signalAll();
            long nanos = TimeUnit.SECONDS.toNanos(CLOSE_SECONDS);
            while (threads > 0 && nanos > 0) {
                nanos = changed.awaitNanos(nanos);
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            waiting.clear();
            lock.unlock();
        }
    }
}
