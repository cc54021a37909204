package io.lockstep.engine.disk;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.FileStatus;
import io.lockstep.engine.memory.Posix;

/**
 * A range of a file that is known to hold data, so that nobody need ask for holes there; and the
 * questions that it spares: each is a system call, which may wait for whoever changes the file.
 *
 * <p>What is known may be out of date in one direction only: it may call data what others have
 * punched since, which is never wrong. Single threaded. Source: {@code lseek(2)}.
 */
final class KnownData {
    private final DiskFile file;
    private long start;
    private long end;
    private int generation;

    /** Nothing is known yet. */
    KnownData(final DiskFile file) {
        this.file = file;
    }

    /** Takes what another one knows. */
    void take(final KnownData other) {
        start = other.start;
        end = other.end;
        generation = other.generation;
    }

    /** Whether a range is known to hold data. */
    boolean has(final long from, final long to) {
        return from >= start && to <= end && generation == file.holeGeneration().get();
    }

    /**
     * Keeps that a file has no hole, where that is so: none need be asked for until one is made.
     */
    boolean learnWhole() {
        final int present = file.holeGeneration().get();
        final boolean isWhole =
                FileStatus.allocatedLength(file.fd()) >= file.length()
                        && Posix.lseek(file.fd(), 0, Posix.SEEK_END) == file.length();
        if (!isWhole) {
            return false;
        }
        start = 0;
        end = file.length();
        generation = present;
        return true;
    }

    /** Takes a range that may now be a hole out of what is known, and lets the other loops know. */
    void forget(final long from, final long to) {
        final int next = file.holeGeneration().incrementAndGet();
        if (generation == next - 1) {
            generation = next;
        }
        if (from < end && to > start) {
            if (from - start > end - to) {
                end = from;
            } else {
                start = to;
            }
        }
    }

    /** Finds what is allocated between two offsets. Answers 0 or an error number. */
    int findExtents(final long from, final long to, final ExtentList into) {
        long at = from;
        while (at < to) {
            if (!has(at, at + 1)) {
                final long data = Posix.lseek(file.fd(), at, Posix.SEEK_DATA);
                if (data < 0 && data != -Errno.ENXIO) {
                    return (int) -data;
                }
                if (data < 0 && file.look() < to) {
                    return Errno.ENXIO; // no hole: there is nothing any more
                }
                final long holeEnd =
                        data < 0 ? to : Math.min(data, to); // ENXIO: a hole up to the end
                if (holeEnd > at) {
                    if (!into.add(holeEnd - at, ExtentList.HOLE)) {
                        return 0;
                    }
                    at = holeEnd;
                    continue;
                }
                final int errno = learn(at);
                if (errno != 0) {
                    return errno;
                }
            }
            final long runEnd = Math.min(end, to);
            if (!into.add(runEnd - at, ExtentList.DATA)) {
                return 0;
            }
            at = runEnd;
        }
        return 0;
    }

    /**
     * Finds the end of the data around an offset that has some, and keeps it: asking is dear where
     * a long range is walked page by page, as tmpfs does.
     */
    private int learn(final long offset) {
        final int present = file.holeGeneration().get();
        final long hole = Posix.lseek(file.fd(), offset, Posix.SEEK_HOLE);
        if (hole < 0) {
            return (int) -hole;
        }
        start = offset;
        // A hole punched between the two calls makes no progress: call one byte data, and look
        // again.
        end = Math.max(hole, offset + 1);
        generation = present;
        return 0;
    }
}
