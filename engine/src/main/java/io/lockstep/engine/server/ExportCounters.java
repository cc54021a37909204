package io.lockstep.engine.server;

import io.lockstep.nbd.Nbd;

/**
 * What was done for the clients of an export, or of several exports of one thing, since it was
 * there. Counted and read on the exports' loop. What ends when its client is gone counts as well;
 * what was refused before it reached the disk does not.
 */
public final class ExportCounters {
    private final Count reads = new Count();
    private final Count writes = new Count();
    private final Count trims = new Count();
    private final Count flushes = new Count();
    private long writtenEnd;

    /** Operations of one kind. */
    private static final class Count {
        private long operations;
        private long bytes;
        private long failed;

        private void add(final long length, final boolean isDone) {
            if (isDone) {
                operations++;
                bytes += length;
            } else {
                failed++;
            }
        }

        private Operations read() {
            return new Operations(operations, bytes, failed);
        }
    }

    /**
     * Operations of one kind.
     *
     * @param count those that were done
     * @param bytes of these
     * @param failed those that were not
     */
    public record Operations(long count, long bytes, long failed) {}

    /**
     * The counters at a moment. Writing zeroes is a write of so many bytes.
     *
     * @param writtenEnd the highest offset behind a byte that was written
     */
    public record Figures(
            Operations reads,
            Operations writes,
            Operations trims,
            Operations flushes,
            long writtenEnd) {}

    /** A request has ended. */
    void onEnd(final int command, final long offset, final long length, final boolean isDone) {
        switch (command) {
            case Nbd.CMD_READ -> reads.add(length, isDone);
            case Nbd.CMD_WRITE, Nbd.CMD_WRITE_ZEROES -> {
                writes.add(length, isDone);
                if (isDone) {
                    writtenEnd = Math.max(writtenEnd, offset + length);
                }
            }
            case Nbd.CMD_TRIM -> trims.add(length, isDone);
            case Nbd.CMD_FLUSH -> flushes.add(0, isDone);
            default -> {} // moves no data
        }
    }

    /** The counters as they stand. */
    public Figures figures() {
        return new Figures(reads.read(), writes.read(), trims.read(), flushes.read(), writtenEnd);
    }
}
