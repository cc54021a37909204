package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Who may go into the forward log. What waits for room there, or for a late secondary, goes in in
 * the order in which it came. And what waits for the secondary's answers, which takes no room.
 *
 * <p>On the guest's loop; the link's says when there is room ({@link #onReleased}), and wakes the
 * guest's only where somebody waits.
 */
final class RoomQueue {
    /** Something that waits. */
    interface Waiting {
        /** Tries again; answers whether it need not wait any more. */
        boolean enterAgain();

        /** Whether it waits for room without that being anybody's concern. */
        default boolean isPatient() {
            return false;
        }
    }

    /** How often it is looked whether a guest that has filled what it may goes on. */
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

    /** A secondary that has answered nothing for so long does not drain: the policy decides. */
    private static final long STALL_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** How often it is looked, in the time that a late secondary has, whether that is over. */
    private static final int LOOKS = 10;

    private final IoLoop guestLoop;
    private final ForwardLog log;

    /** How late the secondary may be; 0 for any time, or {@link PrimaryOptions#LAG_LEARNED}. */
    private final long lagNanosMax;

    private final BacklogLimit backlog;

    /** How long the guest waits for a late one that answers nothing. */
    private final long patienceNanos;

    private final Runnable onFull;
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
    private final List<Waiting> drains = new ArrayList<>();
    private final WakeUp wakeUp = new WakeUp();
    private final Runnable useTask = this::use;

    /** Whether there is a secondary that may not be late. */
    private boolean isPeerThere;

    /** What was released when it was looked for the last time, and since when. */
    private long seenReleased;

    private long seenNanos;

    /** Whether the queue will be looked at when a secondary has had its time. */
    private boolean isTimerSet;

    private boolean isOver;

    /** Nothing goes into the log for now. */
    private boolean isAhead;

    /** Of a process that will end: whether there is no use in waiting. */
    private BooleanSupplier isHopeless = () -> false;

    /** For the link's loop: whether to say when there is room. */
    private volatile boolean isAsked;

    /** And not before it has released so many frames. */
    private volatile long askedFrame;

    /**
     * An empty queue.
     *
     * @param options how late the secondary may be, and how long it may answer nothing
     * @param onFull the log has no room for the first of the queue
     */
    RoomQueue(
            final IoLoop guestLoop,
            final ForwardLog log,
            final PrimaryOptions options,
            final Runnable onFull) {
        this(guestLoop, log, options.lagNanosMax(), options.peerTimeout().nanos(), onFull);
    }

    /** The same. */
    RoomQueue(
            final IoLoop guestLoop,
            final ForwardLog log,
            final long lagNanosMax,
            final long patienceNanos,
            final Runnable onFull) {
        this.guestLoop = guestLoop;
        this.log = log;
        this.lagNanosMax = lagNanosMax;
        backlog = new BacklogLimit(log.capacity());
        this.patienceNanos = patienceNanos;
        seenNanos = guestLoop.nanoTime();
        this.onFull = onFull;
    }

    /** Whether nobody waits before whoever asks, and the secondary keeps up. */
    boolean mayEnter() {
        return waiting.isEmpty() && !isLate();
    }

    private boolean isLate() {
        if (lagNanosMax == 0 || !isPeerThere || isAhead) {
            return false;
        }
        final long released = log.released();
        if (lagNanosMax == PrimaryOptions.LAG_LEARNED) {
            return isBehind(released);
        }
        if (released == log.appended()) {
            return false;
        }
        final long now = guestLoop.nanoTime();
        return now - log.timeNanos(released) > lagNanosMax
                && answersIn(patienceNanos, released, now);
    }

    /** About the frame that is to be released before who is held back goes on. */
    private long frameOfRoom() {
        final long released = log.released();
        final long used = log.usedLength();
        return lagNanosMax == PrimaryOptions.LAG_LEARNED && used > 0
                ? released + backlog.excess(used) * (log.appended() - released) / used
                : 0;
    }

    /** Whether there is more in the log than the secondary takes in a few milliseconds. */
    private boolean isBehind(final long released) {
        final long used = log.usedLength();
        if (backlog.isFree(used)) {
            return false;
        }
        final long now = guestLoop.nanoTime();
        return !backlog.mayEnter(now, used, log.appended() - released, log.releasedLength())
                && answersIn(STALL_NANOS, released, now);
    }

    /**
     * Whether the secondary has answered anything of late. The guest waits for one that is behind,
     * not for one that does nothing; and not again when that is linked anew, until it does.
     */
    private boolean answersIn(final long nanos, final long released, final long now) {
        if (released != seenReleased) {
            seenReleased = released;
            seenNanos = now;
        }
        return Math.min(now - seenNanos, now - log.timeNanos(released)) <= nanos;
    }

    /** How old the oldest data is that the secondary has not answered. */
    long lagNanos() {
        for (long frame = log.released(); frame < log.appended(); frame++) {
            if (log.kind(frame) == ForwardLog.Kind.WRITE
                    || log.kind(frame) == ForwardLog.Kind.ZERO) {
                return Math.max(0, guestLoop.nanoTime() - log.timeNanos(frame));
            }
        }
        return 0;
    }

    /**
     * Whether there is a secondary that must keep up. Who waited for a late one does not wait for
     * one that is gone.
     */
    void peerIsThere(final boolean isThere) {
        isPeerThere = isThere;
        tell();
    }

    /** Nothing goes into the log any more, and so nobody waits. */
    void end() {
        isOver = true;
        peerIsThere(false);
    }

    boolean isOver() {
        return isOver;
    }

    /** Nothing goes into the log, and nobody waits, until {@link #logAgain}. */
    void goAhead() {
        isAhead = true;
        tell();
    }

    /** What comes goes into the log again. */
    void logAgain() {
        isAhead = false;
    }

    /** Whether what comes goes into the log. */
    boolean isLogging() {
        return !isOver && !isAhead;
    }

    /** The process will end: from now on nobody waits where there is no use in it. */
    void prepareToStop(final BooleanSupplier noUseInWaiting) {
        isHopeless = noUseInWaiting;
        tell();
    }

    /** Whether who waits for room is to be refused. */
    boolean isHopeless() {
        return !isOver && isHopeless.getAsBoolean();
    }

    /** Whether anybody waits for room. */
    boolean isAnyWaiting() {
        return !waiting.isEmpty();
    }

    /** Whether there is use in waiting may have changed. */
    void look() {
        tell();
    }

    /** The log is full. */
    void waitForRoom(final Waiting entry) {
        onFull.run();
        waitForTurn(entry);
    }

    /** The secondary is late, or others wait already. */
    void waitForTurn(final Waiting entry) {
        waiting.add(entry);
        ask();
        if (lagNanosMax != 0 && !isTimerSet) {
            isTimerSet = true;
            guestLoop.schedule(lagNanosMax > 0 ? patienceNanos : LOOK_NANOS, this::lookAgain);
        }
    }

    private void lookAgain() {
        isTimerSet = !waiting.isEmpty();
        if (isTimerSet) {
            tell();
            guestLoop.schedule(
                    lagNanosMax > 0 ? patienceNanos / LOOKS : LOOK_NANOS, this::lookAgain);
        }
    }

    /** Runs an action when the secondary has answered all that is in the log now, or at the end. */
    void drain(final Runnable whenDrained) {
        final long end = log.appended();
        final Waiting entry =
                () -> {
                    final boolean isDone = isOver || log.released() >= end || isHopeless();
                    if (isDone) {
                        whenDrained.run();
                    }
                    return isDone;
                };
        if (!entry.enterAgain()) {
            drains.add(entry);
            ask();
        }
    }

    /** Has something looked at whenever the secondary has answered, until it is done. */
    void watch(final Waiting entry) {
        drains.add(entry);
        ask();
    }

    private void ask() {
        askedFrame = 0;
        isAsked = true;
        tell(); // there may be some by now: the link tells only those whom it knows of
    }

    /** Has the queue looked at soon. */
    private void tell() {
        if (wakeUp.isNeeded()) {
            guestLoop.execute(useTask);
        }
    }

    /** There is more room than before; from the link's loop. */
    void onReleased() {
        if (isAsked && log.released() >= askedFrame) {
            tell();
        }
    }

    /** One that is done may have others come. */
    private void lookAtDrains() {
        if (!drains.isEmpty()) {
            final List<Waiting> all = List.copyOf(drains);
            drains.clear();
            all.stream().filter(one -> !one.enterAgain()).forEach(drains::add);
        }
    }

    private void use() {
        wakeUp.onAwake();
        boolean isFull = false;
        boolean isHeldBack = false;
        while (!isFull && !waiting.isEmpty()) {
            isHeldBack = isLate() && !isHopeless();
            if (isHeldBack) {
                break;
            }
            isFull = !waiting.peekFirst().enterAgain();
            if (!isFull) {
                waiting.removeFirst();
            }
        }
        if (isFull && !waiting.isEmpty() && !waiting.peekFirst().isPatient()) {
            onFull.run();
        }
        lookAtDrains();
        askedFrame = isHeldBack && drains.isEmpty() ? frameOfRoom() : 0;
        isAsked = !waiting.isEmpty() || !drains.isEmpty();
    }
}
