package io.lockstep.bench.compare;

import io.lockstep.bench.load.FioJob;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;
import java.util.List;

/**
 * A kind of replicated writes, at random.
 *
 * @param name what tables call it
 * @param blockLength of each write, in bytes
 * @param depth in flight
 */
record WriteLoad(String name, int blockLength, int depth) {
    static final WriteLoad SINGLE = new WriteLoad("4 KiB, depth 1", 4 << 10, 1);
    static final WriteLoad LONGEST = new WriteLoad("1 MiB, depth 4", 1 << 20, 4);
    static final List<WriteLoad> ALL =
            List.of(
                    SINGLE,
                    new WriteLoad("4 KiB, depth 16", 4 << 10, 16),
                    new WriteLoad("64 KiB, depth 16", 64 << 10, 16),
                    LONGEST);

    /**
     * Puts it on a pair's guest export.
     *
     * @param area how much of the disk is written, in bytes
     * @param amount bytes to write; 0: as many as there is time for
     * @param seconds how long; 0: until all is written
     * @param flushEvery how many writes a flush follows; 0: none
     */
    Measurement run(
            final ReplicationPair pair,
            final long area,
            final long amount,
            final double seconds,
            final long seed,
            final int flushEvery)
            throws IOException, InterruptedException {
        return new FioJob(
                        pair.guestUri(),
                        "randwrite",
                        0,
                        blockLength,
                        depth,
                        1,
                        area,
                        amount,
                        seconds,
                        seed,
                        flushEvery)
                .run();
    }
}
