package io.lockstep.bench.compare;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.PacedGuest;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.Measurement;

import org.HdrHistogram.Histogram;

import java.io.IOException;

/**
 * A guest's writes without checkpoints, and with: in turn, several times each, so that what else
 * the machine does meanwhile meets both alike, and the slowest of a hundred writes are many enough
 * to say something.
 *
 * @param quiet without checkpoints
 * @param busy with them
 * @param checkpointsPerSecond how many there were
 */
record GuestRound(Measurement quiet, Measurement busy, double checkpointsPerSecond) {
    private static final int TURNS = 4;

    /**
     * Runs guests of a pair.
     *
     * @param writesPerSecond that fall due
     * @param flushEvery how many writes a flush follows; 0: none
     * @param area of the disk that is written, in bytes
     * @param seconds of each turn, without and with checkpoints each
     */
    static GuestRound run(
            final ReplicationPair pair,
            final int writesPerSecond,
            final int flushEvery,
            final long area,
            final double seconds,
            final double checkpointsPerSecond,
            final long seed)
            throws IOException, InterruptedException {
        final Histogram quiet = new Histogram(PacedGuest.DIGITS);
        final Histogram busy = new Histogram(PacedGuest.DIGITS);
        int checkpoints = 0;
        for (int turn = 0; turn < TURNS; turn++) {
            settle(pair);
            try (PacedGuest guest =
                    new PacedGuest(writesPerSecond, flushEvery, area, seconds, seed)) {
                guest.run(pair.guestUri());
                quiet.add(guest.latencies());
            }
            settle(pair);
            try (PacedGuest guest =
                            new PacedGuest(writesPerSecond, flushEvery, area, seconds, seed);
                    CheckpointTicker ticker =
                            CheckpointTicker.start(pair, guest, checkpointsPerSecond)) {
                guest.run(pair.guestUri());
                busy.add(guest.latencies());
                checkpoints += ticker.end().size();
            }
        }
        final double measuredSeconds = TURNS * seconds;
        return new GuestRound(
                PacedGuest.measured(quiet, measuredSeconds),
                PacedGuest.measured(busy, measuredSeconds),
                checkpoints / measuredSeconds);
    }

    private static void settle(final ReplicationPair pair)
            throws IOException, InterruptedException {
        pair.drain();
        pair.checkpoint();
    }
}
