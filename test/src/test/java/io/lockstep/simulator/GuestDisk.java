package io.lockstep.simulator;

import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.Nbd;

/**
 * A disk as all guests see it: what it may hold, which ranges are in use, and how often it failed.
 */
final class GuestDisk extends JudgedDisk {
    private final SimulatedMedium medium;
    private final DiskModel model;
    private final Dice dice;
    private int era;
    private int changesFailed;
    private int changeErrors;
    private int readsFailed;
    private int readErrors;

    /** A disk that has some content. */
    GuestDisk(final Simulation simulation, final SimulatedMedium medium) {
        this(simulation, medium, true);
    }

    /** A disk that has some content, or holes alone. */
    GuestDisk(final Simulation simulation, final SimulatedMedium medium, final boolean hasContent) {
        this.medium = medium;
        this.dice = simulation.dice().split();
        final byte[] content = new byte[(int) medium.length() / 2];
        dice.fill(content);
        if (hasContent) {
            medium.fill(0, content);
        }
        model = new DiskModel(medium.name(), medium.length(), medium.current());
    }

    SimulatedMedium medium() {
        return medium;
    }

    @Override
    String name() {
        return medium.name();
    }

    @Override
    long length() {
        return medium.length();
    }

    @Override
    DiskModel model() {
        return model;
    }

    /** Counts crashes: what was asked for in another era is not judged. */
    @Override
    int era() {
        return era;
    }

    /** Makes a part of all operations fail, and counts them. */
    void fail(final double probability) {
        medium.failWhen(
                (kind, offset, length) -> {
                    if (kind == DiskOperation.PREFETCH || !dice.chance(probability)) {
                        return 0;
                    }
                    final boolean isRead =
                            kind == DiskOperation.READ || kind == DiskOperation.EXTENTS;
                    readsFailed += isRead ? 1 : 0;
                    changesFailed += isRead ? 0 : 1;
                    return isRead ? Errno.EIO : dice.oneOf(Errno.EIO, Errno.ENOSPC);
                });
    }

    /** Nothing fails by the rule of {@link #fail} any more. */
    void heal() {
        medium.failWhen((kind, offset, length) -> 0);
    }

    /** A guest was told that a change succeeded, which it asked for with those flags. */
    @Override
    void succeeded(final int flags) {
        if ((flags & Nbd.CMD_FLAG_FAST_ZERO) != 0 && !medium.faults().fastZero()) {
            throw new AssertionError("a fast zero succeeded on a disk that has none");
        }
    }

    /** A guest was told of an error. */
    @Override
    void failed(final int command, final int errno) {
        if (errno == Errno.EOPNOTSUPP && command == Nbd.CMD_WRITE_ZEROES) {
            return;
        }
        if (errno != Errno.EIO && errno != Errno.ENOSPC) {
            throw new AssertionError("error " + errno + " of command " + command);
        }
        if (command == Nbd.CMD_READ || command == Nbd.CMD_BLOCK_STATUS) {
            readErrors++;
        } else {
            changeErrors++;
        }
    }

    /** The host's power has failed. */
    void onCrash() {
        model.checkDurable(medium.durable());
        model.restart(medium.durable());
        era++;
    }

    /** Nobody works on the disk any more: what was never answered has happened or will not. */
    void onRest() {
        model.settle();
        model.checkCurrent(medium.current());
    }

    /**
     * Every operation that failed was told of, and no other.
     *
     * <p>Of a read that fails in several parts, once.
     */
    void checkErrors() {
        if (changeErrors != changesFailed
                || readErrors > readsFailed
                || (readErrors == 0 && readsFailed > 0)) {
            throw new AssertionError(
                    "of "
                            + changesFailed
                            + " changes and "
                            + readsFailed
                            + " reads that failed, guests heard of "
                            + changeErrors
                            + " and "
                            + readErrors);
        }
    }
}
