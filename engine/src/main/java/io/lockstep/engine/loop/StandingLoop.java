package io.lockstep.engine.loop;

import java.util.concurrent.locks.LockSupport;

/**
 * One loop that stands between two handlers until another one, which waits for that, lets it go on.
 * A task of the loop that stands. Nothing is waited for but its handler that is under way.
 */
final class StandingLoop implements Runnable {
    private final Thread waiting = Thread.currentThread();
    private volatile Thread standing;
    private volatile boolean isOver;

    @Override
    public void run() {
        standing = Thread.currentThread();
        LockSupport.unpark(waiting);
        while (!isOver) {
            LockSupport.park(this);
        }
    }

    /** Waits until it stands. */
    void await() {
        while (standing == null) {
            LockSupport.park(this);
        }
    }

    /** It goes on. */
    void release() {
        isOver = true;
        LockSupport.unpark(standing);
    }
}
