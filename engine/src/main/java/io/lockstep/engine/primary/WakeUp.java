package io.lockstep.engine.primary;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Tells a loop that there is something to look at, once until it looks. Whoever has something for
 * it makes that visible first, and then asks {@link #isNeeded}; the loop calls {@link #onAwake}
 * first, and then looks. So it either sees what there is, or is told again.
 */
final class WakeUp {
    private final AtomicBoolean isUnderWay = new AtomicBoolean();

    /** Whether the caller has to wake the loop; nobody else will be told so until it is awake. */
    boolean isNeeded() {
        return !isUnderWay.get() && isUnderWay.compareAndSet(false, true);
    }

    /** The loop is awake, and looks after this. */
    void onAwake() {
        isUnderWay.set(false);
    }
}
