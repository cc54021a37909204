package io.lockstep.engine.group;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;

/**
 * Whether there is no data in a disk at all, so that it equals any other of its length of which
 * that is true. Stateless; on the disk's loop.
 */
public final class Emptiness {
    /** One would do: a disk without data is one hole. */
    private static final int EXTENTS_MAX = 4;

    private Emptiness() {}

    /** Hears of it. */
    public interface Answer {
        /** It was looked at; what can't be looked at is not known to be empty. */
        void onLooked(boolean isEmpty);
    }

    /** Looks. The answer may come at once. */
    public static void look(final Disk disk, final Answer answer) {
        final ExtentList extents = new ExtentList(EXTENTS_MAX);
        disk.extents(
                0,
                disk.length(),
                extents,
                (token, errno) ->
                        answer.onLooked(
                                errno == 0
                                        && extents.totalLength() == disk.length()
                                        && extents.isHole()),
                0);
        disk.poll();
    }
}
