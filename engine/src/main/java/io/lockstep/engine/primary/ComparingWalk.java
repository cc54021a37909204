package io.lockstep.engine.primary;

import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.node.Id;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * Compares what both sides hold: puts hashes of the local disks into the log, in the order of what
 * changes them, a few at a time, and tells what the secondary's answers come to. What is a hole
 * here is not read. On the guest's loop.
 */
final class ComparingWalk implements AutoCloseable {
    /** Hears what was found. */
    interface Owner {
        /** A piece was compared, or was not, and has to be again. */
        void onPiece(int disk, long start, long end, Finding finding);

        /** A range can't be read here; it was not compared. */
        void onUnreadable(int disk, long start, int errno);
    }

    /** What comes of comparing a piece. */
    enum Finding {
        EQUAL,
        DIFFERS,
        NOT_COMPARED
    }

    /** So much is compared in one frame, in bytes. */
    static final int LENGTH_MAX = 1 << 20;

    /** So many frames at a time; the secondary takes not many more. */
    private static final int AT_A_TIME = 6;

    private final List<PrimaryDisk> disks;
    private final Holes holes;
    private final Feed feed;
    private final Owner owner;

    /** For what is read to be compared. */
    private final Queue<IoBuffer> buffers = new ArrayDeque<>();

    /** Those whose answers are to come. */
    private final List<Compared> underWay = new ArrayList<>();

    private boolean isClosed;

    /** With the session's key. */
    private PieceHash hash;

    /** A range that is being compared. */
    private static final class Compared {
        private final int disk;
        private final long start;
        private final long end;

        /** Changes that had failed on the disk before. */
        private final long failures;

        private long frame;
        private int errno;

        Compared(final int disk, final long start, final long end, final long failures) {
            this.disk = disk;
            this.start = start;
            this.end = end;
            this.failures = failures;
        }
    }

    ComparingWalk(
            final List<PrimaryDisk> disks, final Holes holes, final Feed feed, final Owner owner) {
        this.disks = disks;
        this.holes = holes;
        this.feed = feed;
        this.owner = owner;
    }

    /** What was compared in a session before is not answered any more. */
    void begin(final Id session) {
        hash = new PieceHash(session);
        underWay.clear();
    }

    /** What is under way has to be compared again by others. */
    void giveUp() {
        final List<Compared> all = List.copyOf(underWay);
        underWay.clear();
        all.forEach(one -> owner.onPiece(one.disk, one.start, one.end, Finding.NOT_COMPARED));
    }

    /** Whether no answer is to come. */
    boolean isIdle() {
        return underWay.isEmpty();
    }

    /**
     * Has a range compared.
     *
     * @param start that of a piece
     * @param end at most {@value #LENGTH_MAX} bytes behind it, that of a piece or of the disk
     */
    Feed.Step compare(final int number, final long start, final long end) {
        if (!holes.isKnown(number, start)) {
            holes.look(number, start);
            return Feed.Step.LOOKS;
        }
        if (underWay.size() == AT_A_TIME) {
            return Feed.Step.WAITS;
        }
        final PrimaryDisk disk = disks.get(number);
        if (!feed.mayEnter(disk.lane())) {
            return Feed.Step.NO_ROOM;
        }
        final boolean isHole = holes.isHole(number, start, end);
        final Compared compared = new Compared(number, start, end, disk.failures());
        final IoBuffer buffer = takeBuffer();
        compared.frame =
                disk.compare(
                        start,
                        end,
                        hash,
                        isHole ? null : buffer.segment(),
                        disk.lane()
                                .inTurn(
                                        (token, errno) -> {
                                            giveBack(buffer);
                                            compared.errno = errno;
                                            tellIfUnreadable(compared);
                                        }));
        if (compared.frame < 0) {
            buffers.add(buffer);
            return Feed.Step.NO_ROOM;
        }
        underWay.add(compared);
        feed.took(compared.frame, 0, isHole ? 0 : end - start);
        tellIfUnreadable(compared);
        return Feed.Step.SENT;
    }

    private IoBuffer takeBuffer() {
        final IoBuffer buffer = buffers.poll();
        return buffer == null ? IoBuffer.reserve(LENGTH_MAX) : buffer;
    }

    private void giveBack(final IoBuffer buffer) {
        if (isClosed) {
            buffer.close();
        } else {
            buffers.add(buffer);
        }
    }

    private void tellIfUnreadable(final Compared compared) {
        if (compared.errno != 0 && underWay.remove(compared)) {
            owner.onUnreadable(compared.disk, compared.start, compared.errno);
        }
    }

    /**
     * What was in a frame of a disk has been compared; perhaps nothing of this.
     *
     * @param differing a bit for each piece that differs, or {@link Comparison#NOT_DONE}
     */
    void onCompared(final int disk, final long frame, final long differing) {
        final Compared compared = take(disk, frame);
        if (compared == null) {
            return;
        }
        // A change that failed here was not sent, and what it left may be behind the comparison.
        final boolean isSure = disks.get(compared.disk).failures() == compared.failures;
        int piece = 0;
        for (long start = compared.start; start < compared.end; start += PieceHash.PIECE_LENGTH) {
            owner.onPiece(
                    compared.disk,
                    start,
                    Math.min(start + PieceHash.PIECE_LENGTH, compared.end),
                    finding(differing, piece++, isSure));
        }
    }

    private static Finding finding(final long differing, final int piece, final boolean isSure) {
        if (differing == Comparison.NOT_DONE) {
            return Finding.NOT_COMPARED;
        }
        if ((differing & 1L << piece) == 0) {
            return Finding.EQUAL;
        }
        return isSure ? Finding.DIFFERS : Finding.NOT_COMPARED;
    }

    private Compared take(final int disk, final long frame) {
        for (int i = 0; i < underWay.size(); i++) {
            if (underWay.get(i).frame == frame && underWay.get(i).disk == disk) {
                return underWay.remove(i);
            }
        }
        return null;
    }

    /** Gives its memory back; what is being read gives it back then. */
    @Override
    public void close() {
        isClosed = true;
        buffers.forEach(IoBuffer::close);
        buffers.clear();
    }
}
