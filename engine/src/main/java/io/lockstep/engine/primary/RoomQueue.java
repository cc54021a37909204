package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * What waits for room in the forward log, or for a late secondary: it goes in in the order in which
 * it came. And what waits for the secondary's answers, which takes no room.
 *
 * <p>On the guest's loop; the link's says when there is room ({@link #onReleased}), and wakes the
 * guest's only where somebody waits.
 */
final class RoomQueue {
    /** Something that waits. */
    interface Waiting {
        /** Tries again; answers whether it need not wait any more. */
        boolean enterAgain();
    }

    private final IoLoop guestLoop;
    private final BooleanSupplier isLate;
    private final Runnable onFull;
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
    private final List<Waiting> drains = new ArrayList<>();
    private final WakeUp wakeUp = new WakeUp();
    private final Runnable useTask = this::use;

    /** For the link's loop: whether to say when there is room. */
    private volatile boolean isAsked;

    /**
     * An empty queue.
     *
     * @param isLate whether everybody waits, room or none
     * @param onFull the log has no room for the first of the queue
     */
    RoomQueue(final IoLoop guestLoop, final BooleanSupplier isLate, final Runnable onFull) {
        this.guestLoop = guestLoop;
        this.isLate = isLate;
        this.onFull = onFull;
    }

    /** Whether nobody waits to go in. */
    boolean isEmpty() {
        return waiting.isEmpty();
    }

    /** Waits for its turn. */
    void add(final Waiting entry) {
        waiting.add(entry);
        ask();
    }

    /** Waits for answers, beside those that wait for room. */
    void addDrain(final Waiting entry) {
        drains.add(entry);
        ask();
    }

    private void ask() {
        isAsked = true;
        tell(); // there may be some by now: the link tells only those whom it knows of
    }

    /** Has the queue looked at soon; from any loop. */
    void tell() {
        if (wakeUp.isNeeded()) {
            guestLoop.execute(useTask);
        }
    }

    /** There is more room than before; from the link's loop. */
    void onReleased() {
        if (isAsked) {
            tell();
        }
    }

    private void use() {
        wakeUp.onAwake();
        boolean isFull = false;
        while (!isFull && !waiting.isEmpty() && !isLate.getAsBoolean()) {
            isFull = !waiting.peekFirst().enterAgain();
            if (!isFull) {
                waiting.removeFirst();
            }
        }
        if (isFull) {
            onFull.run();
        }
        drains.removeIf(Waiting::enterAgain);
        isAsked = !waiting.isEmpty() || !drains.isEmpty();
    }
}
