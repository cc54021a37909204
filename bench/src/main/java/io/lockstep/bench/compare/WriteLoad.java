package io.lockstep.bench.compare;

import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.load.FioJob;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.DiskImages;
import io.lockstep.bench.report.ImageOptions;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A kind of replicated writes.
 *
 * @param name what tables call it
 * @param isRandom at random places, or else one behind the other
 * @param blockLength of each write, in bytes
 * @param depth in flight
 * @param flushEvery how many writes a flush follows; 0: none
 */
record WriteLoad(String name, boolean isRandom, int blockLength, int depth, int flushEvery) {
    static final WriteLoad SINGLE = new WriteLoad("4 KiB, depth 1", true, 4 << 10, 1, 0);
    static final WriteLoad LONGEST = new WriteLoad("1 MiB, depth 4", true, 1 << 20, 4, 0);

    static final List<WriteLoad> ALL =
            List.of(
                    SINGLE,
                    new WriteLoad("4 KiB, depth 16", true, 4 << 10, 16, 0),
                    new WriteLoad("64 KiB, depth 16", true, 64 << 10, 16, 0),
                    LONGEST);

    /** A data base that commits, and a file that is copied. */
    private static final List<WriteLoad> FLUSHED =
            List.of(
                    new WriteLoad("4 KiB, depth 1, flush after each", true, 4 << 10, 1, 1),
                    new WriteLoad("1 MiB in sequence, flush each 64", false, 1 << 20, 4, 64));

    /** All of them, with the flushes that somebody asks for. */
    static List<WriteLoad> all(final ImageOptions images) {
        return ALL.stream().map(load -> load.flushing(images.flushEvery())).toList();
    }

    /**
     * The same, and on a file system, where a flush costs something, two that flush by themselves:
     * unless all do.
     */
    static List<WriteLoad> all(final ImageOptions images, final DiskImages disks) {
        final List<WriteLoad> loads = new ArrayList<>(all(images));
        if (disks.directory() != null && images.flushEvery() == 0) {
            loads.addAll(FLUSHED);
        }
        return loads;
    }

    private WriteLoad flushing(final int every) {
        return new WriteLoad(name, isRandom, blockLength, depth, every);
    }

    /**
     * Puts it on a pair's guest export, by fio.
     *
     * @param area how much of the disk is written, in bytes
     * @param amount bytes to write; 0: as many as there is time for
     * @param seconds how long; 0: until all is written
     */
    Measurement run(
            final ReplicationPair pair,
            final long area,
            final long amount,
            final double seconds,
            final long seed)
            throws IOException, InterruptedException {
        return new FioJob(
                        pair.guestUri(),
                        isRandom ? "randwrite" : "write",
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

    /** The same by a guest that can be paused. */
    EagerGuest guest(final long area, final double seconds, final long seed) throws IOException {
        return EagerGuest.forSeconds(
                new EagerGuest.Work(true, isRandom, blockLength, depth, 1, flushEvery),
                area,
                seconds,
                seed);
    }
}
