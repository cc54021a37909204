package io.lockstep.bench.load;

import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;

/** fio with its NBD engine; see {@link FioJob}. */
public final class FioLoad implements Load {
    private static final long SEED = 1;

    private final int flushEvery;

    /**
     * One.
     *
     * @param flushEvery how many writes of a connection a flush follows; 0: none
     */
    public FioLoad(final int flushEvery) {
        this.flushEvery = flushEvery;
    }

    @Override
    public String name() {
        return "fio";
    }

    @Override
    public Measurement run(final String uri, final Cell cell, final double seconds)
            throws IOException, InterruptedException {
        return new FioJob(
                        uri,
                        (cell.isRandom() ? "rand" : "") + (cell.write() ? "write" : "read"),
                        0,
                        cell.blockLength(),
                        cell.depth(),
                        cell.connections(),
                        BenchServer.DISK_LENGTH,
                        0,
                        seconds,
                        SEED,
                        flushEvery)
                .run();
    }
}
