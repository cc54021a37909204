package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.Random;
import java.util.function.LongUnaryOperator;

/** The controller against a model of a guest whose latency hangs on the rate. */
final class RateControllerTest {
    private static final long MS = 1_000_000;
    private static final long MIB = 1L << 20;
    private static final SyncRate BOUNDS = new SyncRate(4 * MIB, Long.MAX_VALUE);

    private final Random random = new Random(7);
    private SyncRate bounds = BOUNDS;
    private RateController controller = new RateController(bounds);

    /** What the guest's requests take at a rate, in nanoseconds, before chance. */
    private LongUnaryOperator latency = rate -> 100_000;

    /** Requests of the guest in a millisecond; it does not hang on the rate. */
    private double guestRate = 5;

    /** What the link and the disks take, in bytes a second. */
    private long linkRate = 1000 * MIB;

    private long now = Long.MIN_VALUE / 3;
    private long sent;
    private double owed;

    /** Of the requests while it was at its rate. */
    private final Latencies felt = new Latencies();

    private void play(final long milliseconds) {
        sent = 0;
        felt.clear();
        for (long i = 0; i < milliseconds; i++) {
            now += MS;
            controller.look(now);
            final long rate = controller.rate();
            assertTrue(rate >= bounds.min(), "never below the least: " + rate);
            assertTrue(rate <= bounds.max(), "never above the most: " + rate);
            final long done = Math.min(rate, linkRate) / 1000;
            controller.onSent(done);
            sent += done;
            for (owed += guestRate; owed >= 1; owed--) {
                final double chance = Math.exp(0.3 * random.nextGaussian());
                final long nanos = (long) (chance * latency.applyAsLong(Math.min(rate, linkRate)));
                felt.add(nanos);
                controller.onGuest(nanos, now);
            }
        }
    }

    private long mibPerSecond(final long milliseconds) {
        return sent / milliseconds * 1000 / MIB;
    }

    private void begin() {
        controller = new RateController(bounds);
        controller.begin(now);
    }

    /** Twice as slow at 100 MiB a second: 30 % slower at 54. */
    private static long square(final long rate) {
        final double share = rate / (100.0 * MIB);
        return (long) (100_000 * (1 + share * share));
    }

    @Test
    void itComesToWhereTheGuestHardlyFeelsIt() {
        latency = RateControllerTest::square;
        begin();
        play(10_000);
        play(20_000);
        final long p99 = felt.quantile(0.99);
        latency = rate -> 100_000;
        final long done = mibPerSecond(20_000);
        play(20_000);
        final double slower = (double) p99 / felt.quantile(0.99);
        assertTrue(slower <= 1.5, "p99 is " + slower + " times that without");
        assertTrue(done >= 35 && done <= 75, done + " MiB a second");
    }

    @Test
    void aGuestThatFeelsNothingLeavesAllToIt() {
        begin();
        play(10_000);
        play(10_000);
        assertTrue(mibPerSecond(10_000) >= 850, mibPerSecond(10_000) + " MiB a second");
    }

    @Test
    void withoutAGuestItIsAsFastAsTheLinkAtOnce() {
        guestRate = 0;
        begin();
        play(1000);
        assertTrue(mibPerSecond(1000) >= 950, mibPerSecond(1000) + " MiB a second");
    }

    @Test
    void whateverTheGuestFeelsItGoesOn() {
        latency = rate -> rate > 5 * MIB ? 100_000_000 : 100_000;
        begin();
        play(5000);
        play(5000);
        assertTrue(mibPerSecond(5000) >= 4, mibPerSecond(5000) + " MiB a second");
        assertTrue(mibPerSecond(5000) <= 12, mibPerSecond(5000) + " MiB a second");
    }

    @Test
    void itRecoversWhenTheGuestGoesAndGivesWayWhenItComesBack() {
        latency = RateControllerTest::square;
        begin();
        play(10_000);
        guestRate = 0;
        play(2000);
        play(1000);
        assertTrue(mibPerSecond(1000) >= 900, mibPerSecond(1000) + " MiB a second");
        guestRate = 5;
        play(3000);
        play(10_000);
        assertTrue(mibPerSecond(10_000) <= 75, mibPerSecond(10_000) + " MiB a second");
        assertTrue(mibPerSecond(10_000) >= 30, mibPerSecond(10_000) + " MiB a second");
    }

    /** Its disk has become slower by itself: that is no reason to stop. */
    @Test
    void aGuestThatIsSlowerForAnotherReasonIsNoReason() {
        begin();
        play(5000);
        latency = rate -> 2_000_000;
        play(10_000);
        play(5000);
        assertTrue(mibPerSecond(5000) >= 850, mibPerSecond(5000) + " MiB a second");
    }

    @Test
    void aGuestOfFewRequestsIsHeardToo() {
        latency = RateControllerTest::square;
        guestRate = 0.4;
        begin();
        play(20_000);
        play(20_000);
        assertTrue(mibPerSecond(20_000) <= 110, mibPerSecond(20_000) + " MiB a second");
    }

    @Test
    void theMostIsKept() {
        bounds = new SyncRate(MIB, 20 * MIB);
        begin();
        play(5000);
        play(5000);
        assertTrue(Math.abs(mibPerSecond(5000) - 19) <= 1, mibPerSecond(5000) + " MiB a second");
    }

    /** What could not be done at a time is not asked for at once when it can. */
    @Test
    void aSlowLinkDoesNotWindItUp() {
        linkRate = 10 * MIB;
        guestRate = 0;
        begin();
        play(5000);
        guestRate = 5;
        play(100); // it is quiet first
        assertTrue(controller.rate() <= 25 * MIB, controller.rate() + " bytes a second");
    }
}
