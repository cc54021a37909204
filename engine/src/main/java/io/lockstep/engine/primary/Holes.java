package io.lockstep.engine.primary;

import io.lockstep.engine.disk.ExtentList;

import java.util.List;

/**
 * What is known of holes, of one of the disks and from an offset on, for somebody who goes through
 * all of them. On the guest's loop.
 */
final class Holes {
    private static final int EXTENTS_MAX = 128;

    /** It is asked for so many bytes at a time what is a hole. */
    private static final long LOOK_LENGTH = 1L << 30;

    private final List<PrimaryDisk> disks;
    private final Runnable whenLooked;
    private final ExtentList extents = new ExtentList(EXTENTS_MAX);
    private int lookedDisk = -1;
    private long lookedFrom;
    private long lookedEnd;
    private boolean isLooking;
    private boolean isUnknown;
    private long extentEnd;

    /** Of the last look: another one has begun since, or it was given up. */
    private long looks;

    /**
     * Nothing is known.
     *
     * @param whenLooked runs when a look has ended that was not given up
     */
    Holes(final List<PrimaryDisk> disks, final Runnable whenLooked) {
        this.disks = disks;
        this.whenLooked = whenLooked;
    }

    /** What is known counts no more, and a look that is under way is given up. */
    void forget() {
        looks++;
        isLooking = false;
        if (lookedDisk >= 0) {
            disks.get(lookedDisk).outOfSync().endLook();
        }
        lookedDisk = -1;
        lookedFrom = 0;
        lookedEnd = 0;
    }

    boolean isLooking() {
        return isLooking;
    }

    boolean isKnown(final int number, final long offset) {
        return number == lookedDisk && !isLooking && offset >= lookedFrom && offset < lookedEnd;
    }

    /** From where on something is known of a disk; 0 where nothing is. */
    long knownFrom(final int number) {
        return number == lookedDisk ? lookedFrom : 0;
    }

    /** Looks from an offset on. */
    void look(final int number, final long offset) {
        final PrimaryDisk disk = disks.get(number);
        forget();
        isLooking = true;
        lookedDisk = number;
        lookedFrom = offset;
        final long look = looks;
        disk.beginLook();
        disk.extents(
                offset,
                Math.min(LOOK_LENGTH, disk.length() - offset),
                extents,
                disk.lane()
                        .inTurn(
                                (token, errno) -> {
                                    if (look == looks) {
                                        onLooked(
                                                errno == 0
                                                        ? offset + extents.totalLength()
                                                        : disk.length(),
                                                errno);
                                    }
                                }),
                0);
        disk.poll();
    }

    private void onLooked(final long end, final int errno) {
        isLooking = false;
        lookedEnd = end;
        isUnknown = errno != 0; // what can't be looked at is data
        whenLooked.run();
    }

    /** Whether there was a hole at a known offset; and {@link #end} is where it, or data, ends. */
    boolean wasHole(final long offset) {
        extentEnd = lookedEnd;
        long end = lookedFrom;
        for (int i = 0; i < extents.size() && !isUnknown; i++) {
            end += extents.length(i);
            if (offset < end) {
                extentEnd = end;
                return extents.state(i) != ExtentList.DATA;
            }
        }
        return false;
    }

    /** Where what {@link #wasHole} was asked for ends. */
    long end() {
        return extentEnd;
    }

    /** Whether all of a range is known to be a hole still. */
    boolean isHole(final int number, final long offset, final long end) {
        return isKnown(number, offset)
                && wasHole(offset)
                && end <= extentEnd
                && disks.get(number).outOfSync().isAsLooked(offset, end);
    }
}
