package io.lockstep.simulator;

import io.lockstep.engine.memory.Errno;

/** A disk as the secondary's guests see it. */
final class SecondaryGuestDisk extends JudgedDisk {
    private final SimulatedMedium medium;
    private final CheckpointedModel model;
    private final boolean mayFail;

    /** A disk that may hold what a model says; whether its guests may hear of errors. */
    SecondaryGuestDisk(
            final SimulatedMedium medium, final CheckpointedModel model, final boolean mayFail) {
        this.medium = medium;
        this.model = model;
        this.mayFail = mayFail;
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
    CheckpointedModel model() {
        return model;
    }

    @Override
    int era() {
        return 0;
    }

    @Override
    void succeeded(final int flags) {}

    @Override
    void failed(final int command, final int errno) {
        if (errno != Errno.EOPNOTSUPP
                && (!mayFail || (errno != Errno.EIO && errno != Errno.ENOSPC))) {
            throw new AssertionError("error " + errno + " of command " + command);
        }
    }
}
