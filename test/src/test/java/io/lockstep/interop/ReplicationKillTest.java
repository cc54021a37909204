package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A replicated pair of real processes on kill -9 of either, at any moment (I1, I2, I9). More rounds
 * than the few that there is always time for: {@code -Dlockstep.kill.rounds=300}.
 */
@Timeout(value = 1, unit = TimeUnit.HOURS)
final class ReplicationKillTest {
    private static final int ROUNDS = Integer.getInteger("lockstep.kill.rounds", 12);

    /** Rounds of those that set a pair up anew each time. */
    private static final int PAIRS = Math.max(1, ROUNDS / 4);

    private static final int LENGTH = 4 << 20;
    private static final int LONG_LENGTH = 64 << 20;

    /** So long a round's kill may take to come. */
    private static final int DELAY_MICROS_MAX = 60_000;

    @AutoClose private final Rig rig = new Rig();

    private final long seed = System.nanoTime();
    private final Random moments = new Random(seed);

    private void inRounds(final int rounds, final Round round) {
        for (int i = 0; i < rounds; i++) {
            try {
                round.run(i);
            } catch (final AssertionError e) {
                throw new AssertionError(
                        "round " + i + " of seed " + seed + ": " + e.getMessage(), e);
            }
        }
    }

    private interface Round {
        void run(int number);
    }

    private void sleepUpTo(final int micros) {
        LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(moments.nextInt(micros)));
    }

    @Test
    void aSecondaryThatIsKilledGoesOnWhereItWasAndTheDisksConverge() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LONG_LENGTH).start();
        final OverlappingWrites guest =
                OverlappingWrites.start(rig, pair.guest("a"), LONG_LENGTH, moments.nextInt());
        inRounds(
                ROUNDS,
                round -> {
                    guest.await(guest.count() + 1 + moments.nextInt(500));
                    if (round % 3 == 0) {
                        try (Control control = pair.primaryControl()) {
                            control.awaitHealed(); // the guest may have pulled ahead
                        }
                        pair.checkpoint();
                    }
                    sleepUpTo(DELAY_MICROS_MAX);
                    pair.secondary().kill();
                    sleepUpTo(DELAY_MICROS_MAX);
                    pair.startSecondary();
                });
        guest.stop();
        pair.awaitHealed();
        pair.failOver();
        ReplicatedPair.assertSame(pair.primaryDisk("a"), pair.secondaryDisk("a"));
    }

    @Test
    void aSecondaryThatIsKilledInCommitsIsAtOneEpochOnAllDisks() {
        inRounds(
                PAIRS,
                round -> {
                    final ReplicatedPair pair =
                            new ReplicatedPair(rig, "c" + round, 2, LENGTH).start();
                    final SerialWrites guest = SerialWrites.start(rig, pair, LENGTH, 0);
                    for (int kill = 0; kill < 3; kill++) {
                        guest.await(guest.count() + 1 + moments.nextInt(1000));
                        sleepUpTo(DELAY_MICROS_MAX);
                        pair.secondary().kill();
                        pair.startSecondary();
                    }
                    guest.await(guest.count() + 200);
                    sleepUpTo(DELAY_MICROS_MAX);
                    pair.primary().kill();
                    pair.failOver();
                    verify(pair, guest, guest.end());
                    stop(pair);
                });
    }

    @Test
    void aPrimaryThatIsKilledLeavesTheLastCheckpointOnAllDisks() {
        inRounds(
                PAIRS,
                round -> {
                    final ReplicatedPair pair =
                            new ReplicatedPair(rig, "p" + round, 2, LENGTH).start();
                    final SerialWrites guest =
                            SerialWrites.start(rig, pair, LENGTH, 0.05 * moments.nextDouble());
                    guest.await(100 + moments.nextInt(3000));
                    sleepUpTo(DELAY_MICROS_MAX);
                    pair.primary().kill();
                    pair.failOver();
                    verify(pair, guest, guest.end());
                    stop(pair);
                });
    }

    @Test
    void aPrimaryThatIsKilledBeforeAnyCheckpointLeavesTheStart() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 2, LENGTH).start();
        final SerialWrites guest = SerialWrites.start(rig, pair, LENGTH, -1);
        guest.await(500);
        pair.primary().kill();
        guest.end();
        pair.failOver();
        guest.verify(contents(pair), 0, 0);
    }

    @Test
    void aMergeThatIsKilledIsBroughtToItsEndByTheNextProcess() {
        inRounds(
                PAIRS,
                round -> {
                    final ReplicatedPair pair =
                            new ReplicatedPair(rig, "m" + round, 1, LONG_LENGTH).start();
                    write(pair, 1);
                    pair.checkpoint();
                    final Path model = copy(pair.primaryDisk("a"), rig.path("m" + round + "model"));
                    write(pair, 2);
                    pair.requireEqual();
                    pair.primary().kill();
                    killInMerges(pair);
                    ReplicatedPair.assertSame(model, pair.secondaryDisk("a"));
                    assertFalse(hasBuffers(pair), "the buffers are gone");
                    stop(pair);
                });
    }

    /** Buffers in memory don't outlive the reboot that may follow. */
    @Test
    void aMergeIsBroughtToItsEndBeforeAStoppedProcessLeaves() {
        inRounds(
                PAIRS,
                round -> {
                    final ReplicatedPair pair =
                            new ReplicatedPair(rig, "s" + round, 1, LONG_LENGTH).start();
                    write(pair, 1);
                    pair.checkpoint();
                    final Path model = copy(pair.primaryDisk("a"), rig.path("s" + round + "model"));
                    write(pair, 2);
                    pair.requireEqual();
                    pair.primary().kill();
                    try (Control control = pair.secondaryControl()) {
                        control.execute("x-lockstep-failover");
                    }
                    assertEquals(0, pair.secondary().stop(), pair::toString);
                    ReplicatedPair.assertSame(model, pair.secondaryDisk("a"));
                    assertFalse(hasBuffers(pair), "the buffers are left behind");
                    stop(pair);
                });
    }

    /** Kills it in its merge until there is none any more. */
    private void killInMerges(final ReplicatedPair pair) {
        try (Control control = pair.secondaryControl()) {
            control.execute("x-lockstep-failover", "{'force': true}");
        }
        for (int kill = 0; kill < 5; kill++) {
            sleepUpTo(DELAY_MICROS_MAX / 3);
            pair.secondary().kill();
            if (!hasBuffers(pair)) {
                return; // it had come to its end; started again it would be a new secondary
            }
            pair.startSecondary();
        }
        try (Control control = pair.secondaryControl()) {
            control.awaitMerged();
        }
    }

    private static boolean hasBuffers(final ReplicatedPair pair) {
        final String[] files = pair.buffers().toFile().list();
        return files != null && files.length > 0;
    }

    /** Fills all of the disk, with other bytes each time. */
    private void write(final ReplicatedPair pair, final int pass) {
        rig.python(
                """
                h = connect(sys.argv[1])
                data = pattern(1 << 20, int(sys.argv[2]))
                for at in range(0, h.get_size(), 1 << 20):
                    h.pwrite(data, at)
                """,
                pair.guest("a"),
                Integer.toString(pass));
    }

    private void verify(
            final ReplicatedPair pair, final SerialWrites guest, final SerialWrites.End end) {
        try {
            guest.verify(contents(pair), end.checkpointed(), end.submitted());
        } catch (final AssertionError e) {
            throw new AssertionError(e.getMessage() + "; " + end + "\n" + pair, e);
        }
        assertTrue(end.submitted() - end.acknowledged() <= 1);
    }

    private static List<byte[]> contents(final ReplicatedPair pair) {
        return pair.disks().stream().map(disk -> Rig.read(pair.secondaryDisk(disk))).toList();
    }

    /** So that processes of many rounds don't pile up. */
    private static void stop(final ReplicatedPair pair) {
        if (pair.primary().isRunning()) {
            pair.primary().stop();
        }
        if (pair.secondary().isRunning()) {
            pair.secondary().stop();
        }
    }

    private static Path copy(final Path from, final Path to) {
        try {
            return Files.copy(from, to);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
