package io.lockstep.engine.loop;

/**
 * Bounds messages that may come again and again: lets some through at once, and then no more of
 * them in an interval; with the first of the next one it says how many were left out. From any
 * thread.
 */
public final class MessageLimit {
    /** Of {@link #take}: this message is left out. */
    public static final long LEFT_OUT = -1;

    private final int messagesMax;
    private final long intervalNanos;
    private long intervalStart;
    private int count;
    private long leftOut;

    /**
     * None came yet.
     *
     * @param messagesMax that are let through in an interval, more than 0
     */
    public MessageLimit(final int messagesMax, final long intervalNanos) {
        this.messagesMax = messagesMax;
        this.intervalNanos = intervalNanos;
    }

    /**
     * A message has come.
     *
     * @param nowNanos of any clock that goes on, but always the same
     * @return how many were left out before this one, which is let through; or {@link #LEFT_OUT}
     */
    public synchronized long take(final long nowNanos) {
        if (count == 0 || nowNanos - intervalStart >= intervalNanos) {
            intervalStart = nowNanos;
            count = 0;
        }
        if (count == messagesMax) {
            leftOut++;
            return LEFT_OUT;
        }
        count++;
        final long before = leftOut;
        leftOut = 0;
        return before;
    }

    /**
     * The same for a sentence.
     *
     * @return what is to be said; null for nothing
     */
    public String take(final String sentence, final long nowNanos) {
        final long before = take(nowNanos);
        return before == LEFT_OUT
                ? null
                : before == 0 ? sentence : sentence + "; " + before + " like it were left out";
    }
}
