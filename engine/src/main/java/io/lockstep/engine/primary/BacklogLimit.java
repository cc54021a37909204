package io.lockstep.engine.primary;

import java.util.concurrent.TimeUnit;

/**
 * How much may wait in the log for a linked secondary's answers, so that a checkpoint, which comes
 * behind all of it, takes milliseconds however fast a guest writes: what the secondary has taken of
 * late in {@link #TARGET_NANOS}. A guest that has filled that goes on at half of that rate until
 * less is there; so it neither stands still while a backlog drains, nor where the secondary takes
 * nothing for a moment, as its disk is flushed. Where the link keeps up nothing is limited.
 *
 * <p>The rate is learned while there is a backlog, and then it is the link's, or that of the
 * secondary's disk, not the guest's. On the guest's loop; a look allocates nothing, and asks for
 * the time only where there is a backlog. Compare the delivery rate of BBR
 * (draft-cardwell-iccrg-bbr-congestion-control, 4.1), and CoDel's target (RFC 8289, 3.2).
 */
final class BacklogLimit {
    /** A checkpoint waits for so much at most, as long as the rate stays what it is. */
    static final long TARGET_NANOS = TimeUnit.MILLISECONDS.toNanos(8);

    /** So much is no backlog, in bytes: what is known of the rate comes from more. */
    static final long FREE_LENGTH = 1 << 20;

    /** Nor are so many frames, up to four times that: long writes want some on their way, too. */
    private static final int FREE_FRAMES = 16;

    private static final int FREE_TIMES_MAX = 4;

    private static final long SAMPLE_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long AVERAGE_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    /** Behind a pause as long as this nobody knows whether there was a backlog in it. */
    private static final long GAP_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private static final int HELD_PART = 16;

    private final long freeLength;

    /** What is no backlog with frames as long as those that are in the log now, in bytes. */
    private long freeNow;

    /** Bytes a nanosecond; 0 as long as nothing is known. */
    private double rate;

    /** Whether the guest waits, until there is a sixteenth less than the limit. */
    private boolean isHeld;

    private boolean isBacklog;
    private long lookedNanos;
    private long seenReleased;
    private long seenClaimed;

    /** What the guest may still do above the limit, in bytes. */
    private double allowance;

    /**
     * One that knows nothing of the link.
     *
     * @param logLength of the log, in bytes, an eighth of which is no backlog
     */
    BacklogLimit(final long logLength) {
        freeLength = Math.min(FREE_LENGTH, logLength / (2 * FREE_TIMES_MAX));
        freeNow = freeLength;
    }

    /** Whether there is so little in the log that nothing has to be asked. */
    boolean isFree(final long usedLength) {
        if (usedLength == 0) {
            isBacklog = false; // the link has stood idle, and its rate can't be seen in that
        }
        return usedLength <= freeLength;
    }

    /**
     * Whether more may come.
     *
     * @param usedLength bytes in the log, more than are {@link #isFree}
     * @param frames that have those bytes
     * @param releasedLength bytes that have ever left it
     */
    boolean mayEnter(
            final long nowNanos,
            final long usedLength,
            final long frames,
            final long releasedLength) {
        freeNow =
                Math.clamp(
                        FREE_FRAMES * usedLength / Math.max(1, frames),
                        freeLength,
                        FREE_TIMES_MAX * freeLength);
        look(nowNanos, usedLength, releasedLength);
        isHeld = usedLength > (isHeld ? limitOfHeld() : limit());
        if (!isHeld) {
            allowance = 0; // neither saved for later, nor owed for what was below the limit
        }
        return !isHeld || allowance > 0;
    }

    /**
     * How many of those bytes have to leave before a guest that waits goes on: so many at a time
     * that loops don't wake each other for each write.
     */
    long excess(final long usedLength) {
        return Math.max(0, usedLength - limitOfHeld());
    }

    private long limitOfHeld() {
        return limit() - limit() / HELD_PART;
    }

    /** The bytes that may wait. */
    long limit() {
        return Math.max(freeNow, (long) (rate * TARGET_NANOS));
    }

    private void look(final long nowNanos, final long usedLength, final long releasedLength) {
        final long claimed = usedLength + releasedLength;
        final long passed = nowNanos - lookedNanos;
        if (!isBacklog || passed > GAP_NANOS) {
            isBacklog = true;
            allowance = 0;
            begin(nowNanos, releasedLength, claimed);
            return;
        }
        allowance -= claimed - seenClaimed;
        seenClaimed = claimed;
        if (passed < SAMPLE_NANOS) {
            return;
        }
        final double weight = (double) passed / (passed + AVERAGE_NANOS);
        final double delivered = (double) (releasedLength - seenReleased) / passed;
        rate = rate == 0 ? delivered : rate + weight * (delivered - rate);
        allowance = Math.min(allowance + rate / 2 * passed, limit() / 4.0);
        begin(nowNanos, releasedLength, claimed);
    }

    private void begin(final long nowNanos, final long releasedLength, final long claimed) {
        lookedNanos = nowNanos;
        seenReleased = releasedLength;
        seenClaimed = claimed;
    }
}
