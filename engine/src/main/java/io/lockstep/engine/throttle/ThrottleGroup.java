package io.lockstep.engine.throttle;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Limits that several users share: all that they let through together is within them. Each asks for
 * the next thing that it has, and for no other before that one's turn has come; so they take turns,
 * whoever has more.
 *
 * <p>From any thread. Without limits a user reads one field; with some it takes an uncontended lock
 * for each operation. Nothing is allocated. Source: QEMU's {@code docs/throttle.txt}.
 */
public final class ThrottleGroup {
    /** Of a list of users. */
    private final List<Runnable> users = new CopyOnWriteArrayList<>();

    private final ReentrantLock lock = new ReentrantLock();
    private ThrottleLimits limits = ThrottleLimits.NONE;
    private boolean isLifted;

    /** Whether anybody need ask. */
    private volatile boolean isLimiting;

    // In the lock.

    private Buckets all;
    private Buckets reads;
    private Buckets writes;
    private long lastNanos;
    private boolean hasBegun;

    /** What keeps to the limits of some operations together. */
    private record Buckets(LeakyBucket bytes, LeakyBucket operations) {
        private Buckets(final ThrottleRate bytes, final ThrottleRate operations) {
            this(new LeakyBucket(bytes), new LeakyBucket(operations));
        }

        private void leak(final long nanos) {
            bytes.leak(nanos);
            operations.leak(nanos);
        }

        private long waitNanos() {
            return Math.max(bytes.waitNanos(), operations.waitNanos());
        }

        private void pour(final double length, final double count) {
            bytes.pour(length);
            operations.pour(count);
        }
    }

    /** Without limits. */
    public ThrottleGroup() {
        empty();
    }

    private void empty() {
        all = new Buckets(limits.bytes(), limits.operations());
        reads = new Buckets(limits.bytesRead(), limits.reads());
        writes = new Buckets(limits.bytesWritten(), limits.writes());
        isLimiting = !isLifted && limits.isLimiting();
    }

    /** Sets them; what went before counts no more, and what waits asks anew. */
    public void limits(final ThrottleLimits newLimits) {
        change(newLimits, isLifted);
    }

    /** Holds up nothing, whatever the limits are, until {@link #impose}. */
    public void lift() {
        change(limits, true);
    }

    /** Keeps to the limits again. */
    public void impose() {
        change(limits, false);
    }

    private void change(final ThrottleLimits newLimits, final boolean nowLifted) {
        lock.lock();
        try {
            limits = newLimits;
            isLifted = nowLifted;
            empty();
        } finally {
            lock.unlock();
        }
        users.forEach(Runnable::run);
    }

    /** Whether there are any limits now. */
    boolean isLimiting() {
        return isLimiting;
    }

    /** Somebody hears of changes, on the thread of whoever makes them. */
    void add(final Runnable user) {
        users.add(user);
    }

    /** The same hears no more. */
    void remove(final Runnable user) {
        users.remove(user);
    }

    /**
     * Counts something that its user has next.
     *
     * @param length in bytes
     * @param nowNanos by the loop's clock
     * @return how long it has to wait, in nanoseconds; 0 for not at all
     */
    long reserve(final ThrottleDirection direction, final long length, final long nowNanos) {
        if (!isLimiting) {
            return 0;
        }
        lock.lock();
        try {
            leak(nowNanos);
            final Buckets own = direction == ThrottleDirection.READ ? reads : writes;
            final long wait = Math.max(all.waitNanos(), own.waitNanos());
            final double count = limits.operationsOf(length);
            all.pour((double) length, count);
            own.pour((double) length, count);
            return wait;
        } finally {
            lock.unlock();
        }
    }

    /** Another loop's clock may have been read before, and come later. */
    private void leak(final long nowNanos) {
        final long passed = hasBegun ? nowNanos - lastNanos : 0;
        if (hasBegun && passed <= 0) {
            return;
        }
        hasBegun = true;
        lastNanos = nowNanos;
        all.leak(passed);
        reads.leak(passed);
        writes.leak(passed);
    }
}
