package io.lockstep.engine.primary;

import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.PieceHash;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Asks the secondary for hashes, and compares them with the primary's, which lie in the log. On the
 * link's loop; a few at a time.
 */
final class Comparison {
    /** Instead of bits: it is not known what differs. */
    static final long NOT_DONE = -1;

    /** The secondary takes no more at a time. */
    private static final int AT_A_TIME = 8;

    private final MemorySegment received =
            Arena.ofAuto().allocate((long) AT_A_TIME * Nbd.CONTROL_HASHES_MAX, Long.BYTES);

    /** The name of the frame whose answer comes into each place; -1 for none. */
    private final long[] frames = new long[AT_A_TIME];

    Comparison() {
        reset();
    }

    /** What was asked of connections before is not answered any more. */
    void reset() {
        Arrays.fill(frames, -1);
    }

    /** Asks; answers whether it was taken. */
    boolean ask(
            final NbdClient client,
            final LaneCursor cursor,
            final long frame,
            final Disk.Completion completion,
            final long token) {
        final int place = placeOf(-1);
        if (place < 0) {
            return false;
        }
        final ForwardLog log = cursor.log;
        final long piece = log.offset(frame) / PieceHash.PIECE_LENGTH;
        final boolean isTaken =
                client.readControl(
                        Nbd.CONTROL_HASHES + piece * PieceHash.LENGTH,
                        PieceHash.pieces(log.length(frame)) * PieceHash.LENGTH,
                        received,
                        (long) place * Nbd.CONTROL_HASHES_MAX,
                        completion,
                        token);
        if (isTaken) {
            frames[place] = cursor.id(frame);
        }
        return isTaken;
    }

    private int placeOf(final long id) {
        for (int place = 0; place < AT_A_TIME; place++) {
            if (frames[place] == id) {
                return place;
            }
        }
        return -1;
    }

    /** The answer is there; a bit for each piece that differs, the lowest for the first. */
    long differing(final LaneCursor cursor, final long frame) {
        final ForwardLog log = cursor.log;
        final int place = placeOf(cursor.id(frame));
        frames[place] = -1;
        final long start = (long) place * Nbd.CONTROL_HASHES_MAX;
        final MemorySegment own = log.memory().segment();
        long bits = 0;
        for (int piece = 0; piece < PieceHash.pieces(log.length(frame)); piece++) {
            final long at = (long) piece * PieceHash.LENGTH;
            final long mine = log.payloadPosition(frame) + at;
            final boolean isEqual =
                    MemorySegment.mismatch(
                                    own,
                                    mine,
                                    mine + PieceHash.LENGTH,
                                    received,
                                    start + at,
                                    start + at + PieceHash.LENGTH)
                            < 0;
            bits |= isEqual ? 0 : 1L << piece;
        }
        return bits;
    }
}
