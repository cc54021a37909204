package io.lockstep.engine.server;

import io.lockstep.engine.memory.Errno;
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
    private Failures failures = (kind, offset, length, errno) -> {};

    /** What an operation does. */
    public enum Kind {
        /** It reads. */
        READ,
        /** It changes something. */
        WRITE,
        /** It brings changes to stable storage. */
        FLUSH
    }

    /** Hears of operations that were not done, on the exports' loop. */
    public interface Failures {
        /**
         * One was not.
         *
         * @param offset in bytes, and so the length; both 0 of a flush
         * @param errno why not
         */
        void onFailed(Kind kind, long offset, long length, int errno);
    }

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

    /** Somebody hears of what is not done, from now on. */
    public void failures(final Failures listener) {
        failures = listener;
    }

    /**
     * A request has ended.
     *
     * @param errno 0 where it was done
     */
    void onEnd(final int command, final long offset, final long length, final int errno) {
        final boolean isDone = errno == 0;
        count(command, offset, length, isDone);
        if (!isDone && isFailure(errno)) {
            switch (command) {
                case Nbd.CMD_READ -> failures.onFailed(Kind.READ, offset, length, errno);
                case Nbd.CMD_WRITE, Nbd.CMD_WRITE_ZEROES, Nbd.CMD_TRIM ->
                        failures.onFailed(Kind.WRITE, offset, length, errno);
                case Nbd.CMD_FLUSH -> failures.onFailed(Kind.FLUSH, 0, 0, errno);
                default -> {}
            }
        }
    }

    /** Not what can't be done in that way, or is refused as the process ends. */
    private static boolean isFailure(final int errno) {
        return errno != Errno.EOPNOTSUPP && errno != Errno.ESHUTDOWN;
    }

    private void count(
            final int command, final long offset, final long length, final boolean isDone) {
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
