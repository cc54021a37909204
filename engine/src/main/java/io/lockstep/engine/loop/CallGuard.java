package io.lockstep.engine.loop;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/**
 * One loop's calls that may stand still, counted: who has the number of the present one may end it.
 * The thread that makes the call does so when it returns, and has the loop on; or another thread
 * does, and has the loop from then on.
 *
 * <p>{@link #enter} and {@link #leave} are for the thread that has the loop, {@link #take} is for
 * one that would, {@link #look} for the {@link CallWatch}. Allocates nothing.
 */
final class CallGuard {
    /** A call that takes so long, while its thread waits for something, stands still. */
    private static final long BLOCKED_NANOS = TimeUnit.MILLISECONDS.toNanos(2) - 100_000;

    /** And one that takes so long, whatever its thread does. */
    private static final long BUSY_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    /** Odd while a call is under way. */
    private final AtomicLong turn = new AtomicLong();

    private final LongConsumer successor;
    private volatile KernelThread thread;

    private long seenTurn;
    private long seenNanos;
    private long successorTurn;

    /**
     * No call yet.
     *
     * @param successor starts a thread that is to {@link #take} the loop during the call of that
     *     number
     */
    CallGuard(final LongConsumer successor) {
        this.successor = successor;
    }

    /** The calling thread has the loop. */
    void steeredBy(final KernelThread steering) {
        thread = steering;
    }

    /** A call begins. Answers its number. */
    long enter() {
        final long number = turn.get() + 1;
        turn.set(number); // and then, not before, somebody looks whether the watch is awake
        return number;
    }

    /** A call has ended. Answers whether the calling thread still has the loop. */
    boolean leave(final long number) {
        return turn.compareAndSet(number, number + 1);
    }

    /** The calling thread has the loop from now on, if the call of that number still goes on. */
    boolean take(final long number) {
        return turn.compareAndSet(number, number + 1);
    }

    boolean isInCall() {
        return (turn.get() & 1) != 0;
    }

    /**
     * Sees to it that the loop goes on where a call stands still.
     *
     * @return whether there was a call since somebody looked last
     */
    boolean look(final long nowNanos) {
        final long present = turn.get();
        if (present != seenTurn) {
            seenTurn = present;
            seenNanos = nowNanos;
            return true;
        }
        if ((present & 1) == 0) {
            return false;
        }
        if (successorTurn != present && standsStill(nowNanos - seenNanos)) {
            successor.accept(present);
            successorTurn = present; // not where the thread could not be started
        }
        return true;
    }

    private boolean standsStill(final long nanos) {
        final KernelThread steering = thread;
        return nanos >= BUSY_NANOS
                || (nanos >= BLOCKED_NANOS && (steering == null || steering.isBlocked()));
    }
}
