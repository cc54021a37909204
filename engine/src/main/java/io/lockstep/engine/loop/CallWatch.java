package io.lockstep.engine.loop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The thread that looks whether a loop of this process stands still in a call, while there are
 * calls: so often that a loop stands still for twice the period at most. It begins with the first
 * call, and sleeps while there are none.
 */
final class CallWatch {
    private static final long PERIOD_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

    /** Looks without a call, after which it sleeps. */
    private static final int IDLE_LOOKS = 8;

    private static final List<CallGuard> GUARDS = new CopyOnWriteArrayList<>();

    private static volatile boolean awake;
    private static Thread thread;

    private CallWatch() {}

    static void add(final CallGuard guard) {
        GUARDS.add(guard);
    }

    static void remove(final CallGuard guard) {
        GUARDS.remove(guard);
    }

    /** A call has begun. From any loop. */
    static void onCall() {
        if (!awake) {
            wake();
        }
    }

    private static synchronized void wake() {
        awake = true;
        if (thread == null) {
            thread = new Thread(CallWatch::watch, "lockstep-watch");
            thread.setDaemon(true);
            thread.start();
        }
        LockSupport.unpark(thread);
    }

    private static void watch() {
        Cores.useAll(); // the loop that needs it first may be held to one
        int idle = 0;
        while (true) {
            idle = look() ? 0 : idle + 1;
            if (idle < IDLE_LOOKS) {
                LockSupport.parkNanos(PERIOD_NANOS);
                continue;
            }
            awake = false; // from here on a call wakes it
            if (GUARDS.stream().noneMatch(CallGuard::isInCall)) {
                LockSupport.park();
            }
            awake = true;
            idle = 0;
        }
    }

    private static boolean look() {
        final long now = System.nanoTime();
        boolean isNeeded = false;
        for (final CallGuard guard : GUARDS) {
            isNeeded |= guard.look(now);
        }
        return isNeeded;
    }
}
