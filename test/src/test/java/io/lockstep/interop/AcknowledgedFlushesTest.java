package io.lockstep.interop;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A primary that is killed at any moment, under a guest that flushes: what a level of
 * acknowledgement promises is at the secondary when that has taken over.
 *
 * <p>More than the few rounds that there is always time for, over all levels: {@code
 * -Dlockstep.acknowledged.rounds=200}; those of one run again: {@code
 * -Dlockstep.acknowledged.seed=N}, as far as the machine's own moments go.
 */
@Timeout(value = 1, unit = TimeUnit.HOURS)
final class AcknowledgedFlushesTest {
    private static final int LEVELS = 4;
    private static final int ROUNDS =
            Math.ceilDiv(Integer.getInteger("lockstep.acknowledged.rounds", 12), LEVELS);

    private static final int LENGTH = 4 << 20;

    /**
     * So many flushes are answered before a round's kill, at most, and so long it takes to come.
     */
    private static final int FLUSHES_MAX = 400;

    private static final int DELAY_MICROS_MAX = 30_000;

    @AutoClose private final Rig rig = new Rig();

    private final long seed = Long.getLong("lockstep.acknowledged.seed", System.nanoTime());
    private final Random random = new Random(seed);

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "LOCAL")
    void whatWasAcknowledgedSurvivesThePrimary(final AcknowledgementLevel level) {
        live(level);
    }

    /** How much that is: level {@code local} promises none of it, and the rest is in order. */
    @Test
    void whatThePrimaryAcknowledgesByItselfIsLostWithIt() {
        live(AcknowledgementLevel.LOCAL);
    }

    private void live(final AcknowledgementLevel level) {
        final AcknowledgingPair pair = AcknowledgingPair.start(rig, level, LENGTH);
        final FlushedWrites guest = new FlushedWrites();
        FlushedWrites.Found all = FlushedWrites.Found.nothing();
        for (int round = 0; round < ROUNDS; round++) {
            if (round > 0) {
                pair.comeBack();
            }
            try {
                all = all.plus(play(pair, guest, level));
            } catch (final AssertionError e) {
                throw new AssertionError(
                        "round " + round + " of seed " + seed + ": " + e.getMessage() + "\n" + pair,
                        e);
            }
        }
        System.out.printf(
                "--ack %s, %d kills of seed %d: of %d acknowledged flushes %d were lost, of %d"
                        + " acknowledged writes %d%n",
                level.option(),
                ROUNDS,
                seed,
                all.flushed(),
                all.lostFlushes(),
                all.written(),
                all.lostWrites());
    }

    private FlushedWrites.Found play(
            final AcknowledgingPair pair,
            final FlushedWrites guest,
            final AcknowledgementLevel level) {
        guest.start(rig, pair.serving().guest(), random.nextBoolean());
        guest.await(1 + random.nextInt(FLUSHES_MAX));
        LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(random.nextInt(DELAY_MICROS_MAX)));
        if (random.nextBoolean()) {
            pair.killPrimary();
        } else {
            pair.losePrimary();
        }
        pair.failOver();
        return guest.verify(pair.serving().guest(), level);
    }
}
