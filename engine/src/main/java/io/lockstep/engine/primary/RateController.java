package io.lockstep.engine.primary;

import java.util.concurrent.TimeUnit;

/**
 * Decides how fast a synchronisation may be, so that the guest hardly feels it, and what the guest
 * leaves is used: compares what the guest's changes take while it goes at its rate with what they
 * take in short times in which it goes at its least. It is faster the next time where both are
 * alike, and slower where they are not. A guest that does nothing is no reason to wait.
 *
 * <p>Without clock or thread; single threaded; allocates nothing. Rates are in bytes a second,
 * times in nanoseconds. See docs/healing.md.
 */
final class RateController {
    /** It goes at its least rate so long, to see what the guest has without it. */
    static final long QUIET_NANOS = TimeUnit.MILLISECONDS.toNanos(40);

    /** It is looked at what its rate costs the guest so often. */
    static final long BUSY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    /** What was begun at another rate is over by then, and does not count. */
    static final long SETTLE_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    /** So often it is looked before it is quiet again: that is 50 ms in two seconds. */
    private static final int LOOKS_BETWEEN = 16;

    private static final long START_RATE = 64L << 20;

    /** Fewer requests of the guest say nothing. */
    private static final int FEW = 10;

    /** What few say of the slowest one in a hundred is chance. */
    private static final int MANY = 200;

    private static final double SLOWEST_OF_MANY = 0.99;
    private static final double SLOWEST_OF_FEW = 0.9;

    /** What a guest's request takes outside of here, at the least; it is felt in sum. */
    private static final long OUTSIDE_NANOS = TimeUnit.MICROSECONDS.toNanos(30);

    /** So much slower the guest may become; it is less than what is promised. */
    private static final double SLOWER_MAX = 1.35;

    /** So little is no reason not to go faster. */
    private static final double SLOWER_LITTLE = 1.2;

    private static final double LEAST_CUT = 0.9;
    private static final double MOST_CUT = 0.5;
    private static final double GROWTH = 1.2;

    /** Where nobody is disturbed; and what may be asked for beyond what could be done. */
    private static final double GROWTH_ALONE = 2;

    private static final double SECOND = TimeUnit.SECONDS.toNanos(1);

    private final SyncRate bounds;
    private final Latencies quiet = new Latencies();
    private final Latencies busy = new Latencies();
    private double rate;
    private boolean isQuiet;
    private long phaseNanos;
    private int looks;
    private long sent;
    private boolean isGuestThere;

    /** The guest does nothing: there is nobody to be disturbed. */
    private boolean isAlone = true;

    RateController(final SyncRate bounds) {
        this.bounds = bounds;
        rate = within(START_RATE);
    }

    private double within(final double wanted) {
        return Math.clamp(wanted, (double) bounds.min(), (double) bounds.max());
    }

    /**
     * A synchronisation begins, or goes on after a while: as soon as the guest does something, what
     * it has without it is looked at first.
     */
    void begin(final long nowNanos) {
        quiet.clear();
        busy.clear();
        rate = within(START_RATE);
        isAlone = true;
        isGuestThere = false;
        beQuiet(nowNanos);
    }

    /** How fast it may be now. */
    long rate() {
        if (isAlone) {
            return bounds.max();
        }
        return isQuiet ? bounds.min() : (long) rate;
    }

    /** Whether the guest has done something of late: then little should be done at a time. */
    boolean isGuestThere() {
        return isGuestThere;
    }

    /** A change of the guest's was done, and took so long. */
    void onGuest(final long nanos, final long nowNanos) {
        isGuestThere = true;
        if (isAlone) {
            isAlone = false;
            rate = within(Math.min(rate, START_RATE));
            beQuiet(nowNanos);
        }
        if (nowNanos - phaseNanos >= SETTLE_NANOS) {
            (isQuiet ? quiet : busy).add(nanos);
        }
    }

    /** So many bytes were begun with. */
    void onSent(final long bytes) {
        sent += bytes;
    }

    /** Time passes; to be called every few milliseconds, and before something is begun with. */
    void look(final long nowNanos) {
        final long passed = nowNanos - phaseNanos;
        if (isQuiet && passed >= SETTLE_NANOS + QUIET_NANOS) {
            isQuiet = false;
            looks = 0;
            beBusy(nowNanos);
        } else if (!isQuiet && passed >= SETTLE_NANOS + BUSY_NANOS) {
            isGuestThere = busy.count() >= FEW;
            isAlone = busy.count() == 0;
            adjust(passed);
            looks++;
            if (isGuestThere && (quiet.count() < FEW || looks >= LOOKS_BETWEEN)) {
                beQuiet(nowNanos);
            } else {
                beBusy(nowNanos);
            }
        }
    }

    private void beQuiet(final long nowNanos) {
        isQuiet = true;
        phaseNanos = nowNanos;
        quiet.fade();
    }

    private void beBusy(final long nowNanos) {
        phaseNanos = nowNanos;
        sent = 0;
        busy.fade();
    }

    private void adjust(final long passed) {
        final double done = sent * SECOND / passed;
        if (!isGuestThere) {
            rate *= GROWTH_ALONE;
        } else if (quiet.count() >= FEW) {
            final double slower = slower();
            if (slower > SLOWER_MAX) {
                rate *= Math.clamp(SLOWER_LITTLE / slower, MOST_CUT, LEAST_CUT);
                busy.clear(); // that was another rate
            } else if (slower < SLOWER_LITTLE) {
                rate *= GROWTH;
            }
        }
        // What something else has held up says nothing of a higher rate.
        rate = within(Math.min(rate, GROWTH_ALONE * done));
    }

    /** How many times as long the guest's slow requests take as without. */
    private double slower() {
        final double share =
                Math.min(quiet.count(), busy.count()) < MANY ? SLOWEST_OF_FEW : SLOWEST_OF_MANY;
        return (double) (busy.quantile(share) + OUTSIDE_NANOS)
                / (quiet.quantile(share) + OUTSIDE_NANOS);
    }
}
