package io.lockstep.bench.load;

import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;

/** Our own load generator: {@link EagerGuest}. */
public final class OwnLoad implements Load {
    /** Name of the thread that does it all. */
    public static final String THREAD = "lockstep-load";

    private static final long SEED = 1;

    private final int flushEvery;

    /**
     * One.
     *
     * @param flushEvery how many writes of a connection a flush follows; 0: none
     */
    public OwnLoad(final int flushEvery) {
        this.flushEvery = flushEvery;
    }

    @Override
    public String name() {
        return "own";
    }

    @Override
    public Measurement run(final String uri, final Cell cell, final double seconds)
            throws IOException, InterruptedException {
        return run(
                uri,
                cell,
                flushEvery,
                BenchServer.DISK_LENGTH,
                Long.MAX_VALUE,
                (long) (seconds * 1e9));
    }

    /**
     * Does a number of requests, however long it takes.
     *
     * @param uri of an export
     * @param area at the export's start in which they are, in bytes
     * @param write writes, or else reads
     * @param blockLength of each in bytes; at random places with 4 KiB, one behind the other else
     * @param depth in flight on each connection
     * @throws IOException where the server fails one
     */
    public static void requests(
            final String uri,
            final long area,
            final boolean write,
            final int blockLength,
            final int depth,
            final int connections,
            final long count)
            throws IOException, InterruptedException {
        run(uri, new Cell(write, blockLength, depth, connections), 0, area, count, Long.MAX_VALUE);
    }

    /** Writes so many blocks of 4 KiB somewhere in an area at the export's start. */
    public static void scatter(final String uri, final long area, final long count)
            throws IOException, InterruptedException {
        run(uri, new Cell(true, 4 << 10, 16, 1), 0, area, count, Long.MAX_VALUE);
    }

    /** Writes blocks of 4 KiB somewhere in an area at the export's start, for some time. */
    public static Measurement flood(final String uri, final long area, final double seconds)
            throws IOException, InterruptedException {
        return run(
                uri,
                new Cell(true, 4 << 10, 16, 1),
                0,
                area,
                Long.MAX_VALUE,
                (long) (seconds * 1e9));
    }

    /** Writes every byte of an area at the export's start once; a multiple of 1 MiB. */
    public static void fill(final String uri, final long area)
            throws IOException, InterruptedException {
        final int length = 1 << 20;
        run(uri, new Cell(true, length, 4, 1), 0, area, area / length, Long.MAX_VALUE);
    }

    private static Measurement run(
            final String uri,
            final Cell cell,
            final int flushEvery,
            final long area,
            final long countMax,
            final long nanosMax)
            throws IOException, InterruptedException {
        try (EagerGuest guest =
                new EagerGuest(
                        EagerGuest.Work.of(cell, flushEvery),
                        area,
                        countMax,
                        nanosMax,
                        SEED,
                        EagerGuest.SPIN_NANOS)) {
            return guest.run(uri);
        }
    }
}
