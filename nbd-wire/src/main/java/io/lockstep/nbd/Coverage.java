package io.lockstep.nbd;

/**
 * Which parts of one read have come: chunks may come in any order, but must not overlap.
 *
 * <p>Chunks that touch are kept as one run, so that chunks in order need one run. Beyond {@link
 * #RUNS_MAX} runs apart only bytes are counted: an overlap is then found unless a gap of the same
 * length makes up for it. Single threaded, allocates nothing.
 */
final class Coverage {
    static final int RUNS_MAX = 8;

    private final long[] starts = new long[RUNS_MAX];
    private final long[] ends = new long[RUNS_MAX];
    private int runs;
    private long covered;
    private boolean counting;

    void clear() {
        runs = 0;
        covered = 0;
        counting = false;
    }

    /** Bytes that have come. */
    long covered() {
        return covered;
    }

    /**
     * Adds a chunk.
     *
     * @return false where it overlaps with an earlier one
     */
    boolean add(final long start, final long end) {
        covered += end - start;
        if (counting) {
            return true;
        }
        int at = 0;
        while (at < runs && ends[at] <= start) {
            at++;
        }
        if (at < runs && starts[at] < end) {
            return false;
        }
        // The chunk lies behind run 'at - 1' and before run 'at'.
        final boolean touchesBefore = at > 0 && ends[at - 1] == start;
        final boolean touchesAfter = at < runs && starts[at] == end;
        if (touchesBefore && touchesAfter) {
            ends[at - 1] = ends[at];
            remove(at);
        } else if (touchesBefore) {
            ends[at - 1] = end;
        } else if (touchesAfter) {
            starts[at] = start;
        } else if (runs == RUNS_MAX) {
            counting = true;
        } else {
            insert(at, start, end);
        }
        return true;
    }

    private void remove(final int at) {
        runs--;
        System.arraycopy(starts, at + 1, starts, at, runs - at);
        System.arraycopy(ends, at + 1, ends, at, runs - at);
    }

    private void insert(final int at, final long start, final long end) {
        System.arraycopy(starts, at, starts, at + 1, runs - at);
        System.arraycopy(ends, at, ends, at + 1, runs - at);
        starts[at] = start;
        ends[at] = end;
        runs++;
    }
}
