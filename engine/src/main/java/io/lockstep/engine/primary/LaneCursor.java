package io.lockstep.engine.primary;

import io.lockstep.engine.group.ControlRecord;

import java.util.Arrays;
import java.util.function.IntToLongFunction;

/**
 * How far a {@link Link} is with the log of a lane: what of it was sent, answered and released. On
 * the link's loop; allocates nothing.
 */
final class LaneCursor {
    private static final int LANE_BITS = 4;
    private static final int GENERATION_BITS = 16;
    private static final long GENERATION_MASK = (1L << GENERATION_BITS) - 1;

    final Lane lane;
    final ForwardLog log;

    /** The next frame to send; those from {@link #released} to here wait for their answers. */
    long next;

    long released;

    /**
     * Ends of epochs that were ever released, skipped ones as well: all lanes have the same ones.
     */
    long ends;

    /** The same of those that were sent. */
    private long sentEnds;

    /** That with which the secondary is equal: nothing is sent behind it before all have it. */
    long caughtUp;

    /** The last epoch whose end a foreign server has reached here. */
    long reached;

    /** Those before this one were sent on connections before. */
    private long sentBefore;

    /** Those before this one are not sent any more: what they change is sent otherwise. */
    private long skipped;

    /** By disk: the last seal that the secondary had taken when the link came up. */
    private final long[] sealedThere;

    private final boolean[] answered;
    private final int mask;

    /** Nothing was sent. */
    LaneCursor(final Lane lane) {
        this.lane = lane;
        log = lane.log();
        sealedThere = new long[lane.lastDisk() + 1];
        answered = new boolean[log.frames()];
        mask = answered.length - 1;
    }

    /**
     * The link is up: what was not released is sent again.
     *
     * @param sealedEpoch what the secondary has sealed, by disk; 0 where it knows no epochs
     */
    void onUp(final IntToLongFunction sealedEpoch) {
        released = log.released();
        sentBefore = Math.max(sentBefore, next);
        next = released;
        sentEnds = ends;
        caughtUp = caughtUp > ends ? 0 : caughtUp; // it comes again
        Arrays.fill(answered, false);
        Arrays.fill(sealedThere, 0);
        for (long frame = released; frame < sentBefore; frame++) {
            final int disk = log.disk(frame);
            if (log.kind(frame) == ForwardLog.Kind.SEAL
                    && log.offset(frame) <= sealedEpoch.applyAsLong(disk)) {
                sealedThere[disk] = frame;
            }
        }
    }

    /**
     * Whether the secondary has taken a change, and the seal behind it: it is not sent again, for
     * that would bring back for a while what later ones have overwritten, and if it lost its power
     * then, it would lack on stable storage what a guest was told is there (I16). It has to be kept
     * until that seal is answered: a secondary that is killed before forgets both.
     */
    boolean isTakenThere(final long frame) {
        final ForwardLog.Kind kind = log.kind(frame);
        return (kind == ForwardLog.Kind.WRITE || kind == ForwardLog.Kind.ZERO)
                && frame < sealedThere[log.disk(frame)];
    }

    /** Frames before this one are not sent any more. */
    void skip(final long frame) {
        skipped = frame;
    }

    /** Whether a frame says nothing to the secondary. */
    boolean isSkipped(final long frame) {
        return log.isFailed(frame) || frame < skipped;
    }

    /** What comes again may have been overtaken by what came behind it before the cut. */
    boolean comesAgain(final long frame) {
        return frame < sentBefore;
    }

    /** A frame needs to be sent no more; with a seal what was taken before it. */
    void answer(final long frame) {
        answered[(int) (frame & mask)] = true;
        if (log.kind(frame) == ForwardLog.Kind.SEAL && frame <= sealedThere[log.disk(frame)]) {
            for (long before = released; before < frame; before++) {
                answered[(int) (before & mask)] |=
                        log.disk(before) == log.disk(frame) && isTakenThere(before);
            }
        }
    }

    private boolean isAnswered(final long frame) {
        return answered[(int) (frame & mask)];
    }

    /** Whether the oldest frame that was sent can be released. */
    boolean mayRelease() {
        return released < next && isAnswered(released);
    }

    /** Goes over it. */
    void release() {
        ends += isEnd(released) ? 1 : 0;
        answered[(int) (released++ & mask)] = false;
    }

    /** The next frame was sent, or need not be. */
    void onSent() {
        if (isEnd(next)) {
            sentEnds++;
            if ((log.flags(next) & ControlRecord.CAUGHT_UP) != 0) {
                caughtUp = sentEnds;
            }
        }
        next++;
    }

    /** Whether an answer for a disk is to come. */
    boolean isOwed(final int disk) {
        for (long frame = released; frame < next; frame++) {
            if (log.disk(frame) == disk && !isAnswered(frame)) {
                return true;
            }
        }
        return false;
    }

    /** Whether a frame overlaps one before it that is not answered. */
    boolean isOverlapInFlight(final long frame) {
        final long start = log.offset(frame);
        final long end = start + log.length(frame);
        for (long other = released; other < frame; other++) {
            if (!isAnswered(other)
                    && log.disk(other) == log.disk(frame)
                    && log.offset(other) < end
                    && start < log.offset(other) + log.length(other)) {
                return true;
            }
        }
        return false;
    }

    /** Whether a frame ends an epoch in all of the lane: it is the seal of its last disk. */
    boolean isEnd(final long frame) {
        return log.kind(frame) == ForwardLog.Kind.SEAL && log.disk(frame) == lane.lastDisk();
    }

    // ---- What names a frame in a request.

    /** A frame's name among those of all lanes. */
    long id(final long frame) {
        return frame << LANE_BITS | lane.number();
    }

    /** The frame's name, and beside it what tells a completion of this link from older ones. */
    long token(final long frame, final int generation) {
        return id(frame) << GENERATION_BITS | generation & GENERATION_MASK;
    }

    static boolean isOf(final long token, final int generation) {
        return (token & GENERATION_MASK) == (generation & GENERATION_MASK);
    }

    static int laneOf(final long token) {
        return (int) (token >> GENERATION_BITS) & (1 << LANE_BITS) - 1;
    }

    static long frameOf(final long token) {
        return token >> GENERATION_BITS + LANE_BITS;
    }
}
