package io.lockstep.engine.group;

/**
 * How long somebody who owes an answer has given none. It is looked at again and again, and what
 * counts is the time between looks: while this process itself stood still nobody could be heard,
 * and that counts as one look. Single threaded; allocates nothing.
 */
public final class Silence {
    private final long lookNanos;
    private long heardCount;
    private long seenCount;
    private boolean wasOwed;
    private long lookedNanos;
    private long silentNanos;

    /**
     * None yet.
     *
     * @param lookNanos how often it is looked at, in nanoseconds
     */
    public Silence(final long lookNanos) {
        this.lookNanos = lookNanos;
    }

    /** Something was heard. */
    public void onHeard() {
        heardCount++;
    }

    /** From now on it counts. */
    public void begin(final long nowNanos) {
        seenCount = heardCount;
        wasOwed = false;
        lookedNanos = nowNanos;
        silentNanos = 0;
    }

    /**
     * Looks.
     *
     * @param isOwed whether there is an answer to wait for
     * @return how long it has been owed, in nanoseconds, with nothing heard; never more than it was
     */
    public long look(final long nowNanos, final boolean isOwed) {
        final long passed = Math.min(nowNanos - lookedNanos, 2 * lookNanos);
        lookedNanos = nowNanos;
        if (heardCount == seenCount && isOwed && wasOwed) {
            silentNanos += passed;
        } else {
            silentNanos = 0;
        }
        seenCount = heardCount;
        wasOwed = isOwed;
        return silentNanos;
    }

    /** How long it was at the last look, and has been since; in nanoseconds. */
    public long nanos(final long nowNanos) {
        final long since = Math.min(nowNanos - lookedNanos, 2 * lookNanos);
        return heardCount == seenCount ? silentNanos + since : 0;
    }
}
