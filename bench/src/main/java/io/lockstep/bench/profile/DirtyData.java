package io.lockstep.bench.profile;

import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.peer.LockstepPair;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * What a merge finds in the buffers.
 *
 * @param buffer which of them has it
 * @param pieceLength of each write that brought it there, in bytes
 * @param isRandom whether those lie anywhere on the disk, or else one behind the other from its
 *     start on
 */
record DirtyData(Buffer buffer, int pieceLength, boolean isRandom) {
    private static final int DEPTH = 16;
    private static final List<Integer> PIECE_LENGTHS = List.of(4 << 10, 64 << 10, 1 << 20);

    /** The two of a secondary. */
    enum Buffer {
        /** Pre-images of what the primary has written since the checkpoint: they go back. */
        HIDDEN("hidden disk"),
        /** What the secondary's own guest has written since then: it is put on. */
        ACTIVE("active disk");

        private final String title;

        Buffer(final String title) {
            this.title = title;
        }

        /** What tables call it. */
        @Override
        public String toString() {
            return title;
        }
    }

    /** Each kind. */
    static List<DirtyData> all() {
        final List<DirtyData> all = new ArrayList<>();
        for (final Buffer buffer : Buffer.values()) {
            for (final int pieceLength : PIECE_LENGTHS) {
                all.add(new DirtyData(buffer, pieceLength, false));
                all.add(new DirtyData(buffer, pieceLength, true));
            }
        }
        return all;
    }

    /** The shortest pieces at random, and the longest in sequence. */
    boolean isExtreme() {
        return pieceLength == (isRandom ? PIECE_LENGTHS.getFirst() : PIECE_LENGTHS.getLast());
    }

    /**
     * Writes so much of it on one side of a pair whose last checkpoint has everything, no block
     * twice.
     *
     * @param length in bytes
     * @param area of the disk, in bytes
     */
    void write(final LockstepPair pair, final long length, final long area, final long seed)
            throws IOException, InterruptedException {
        final EagerGuest.Work work = new EagerGuest.Work(true, isRandom, pieceLength, DEPTH, 1, 0);
        try (EagerGuest guest = EagerGuest.onceEach(work, area, length / pieceLength, seed)) {
            guest.run(buffer == Buffer.HIDDEN ? pair.guestUri() : pair.secondaryGuestUri());
        }
        pair.drain();
    }
}
