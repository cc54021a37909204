package io.lockstep.bench.load;

import java.util.Arrays;
import java.util.List;

/**
 * How many requests ended in each step of a time, from a moment on. Counted by one thread, and read
 * by another when that has ended.
 */
public final class RateSteps {
    private final long originNanos;
    private final long stepNanos;
    private final long[] ended;

    /**
     * With nothing counted.
     *
     * @param originNanos the first one's begin, by {@link System#nanoTime}
     * @param stepNanos length of each
     * @param count how many there are; what ends later is not counted
     */
    public RateSteps(final long originNanos, final long stepNanos, final int count) {
        this.originNanos = originNanos;
        this.stepNanos = stepNanos;
        ended = new long[count];
    }

    void count(final long nowNanos) {
        final long step = (nowNanos - originNanos) / stepNanos;
        if (step >= 0 && step < ended.length) {
            ended[(int) step]++;
        }
    }

    /** Requests a second in each step. */
    public List<Double> perSecond() {
        return Arrays.stream(ended).mapToObj(count -> count * 1e9 / stepNanos).toList();
    }
}
