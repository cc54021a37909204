package io.lockstep.bench.compare;

import io.lockstep.bench.load.EagerGuest;

import java.io.IOException;
import java.util.List;

/**
 * Writes of 4 KiB at random places, with a flush behind each or with none.
 *
 * @param name what tables call it
 * @param depth writes in flight of each writer
 * @param writers each with a connection of its own
 * @param flushes whether each write is flushed before the next one
 */
record FlushLoad(String name, int depth, int writers, boolean flushes) {
    static final List<FlushLoad> ALL =
            List.of(
                    new FlushLoad("write and flush, 1 writer", 1, 1, true),
                    new FlushLoad("write and flush, 8 writers", 1, 8, true),
                    new FlushLoad("writes, depth 1", 1, 1, false),
                    new FlushLoad("writes, depth 16", 16, 1, false));

    private static final int LENGTH = 4 << 10;

    /** Who does it. */
    EagerGuest guest(final long area, final double seconds, final long seed) throws IOException {
        return EagerGuest.forSeconds(
                new EagerGuest.Work(true, true, LENGTH, depth, writers, flushes ? 1 : 0),
                area,
                seconds,
                seed);
    }
}
