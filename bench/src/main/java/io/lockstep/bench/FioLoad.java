package io.lockstep.bench;

import java.io.IOException;

/** fio with its NBD engine; see {@link FioJob}. */
final class FioLoad implements Load {
    private static final long SEED = 1;

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
                        ServeComparison.DISK_LENGTH,
                        0,
                        seconds,
                        SEED)
                .run();
    }
}
