package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.server.ServedExport;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** One disk on either side, and all that is known of what it may hold. */
class ReplicatedDisk {
    private final Simulation simulation;
    private final GuestDisk primary;
    private final SimulatedMedium secondaryMedium;
    private final SecondaryGuestDisk secondary;
    private final StreamTap tap;

    /** To what a failover returns. */
    private byte[] checkpoint;

    /** What the primary may have held when it sealed an epoch. */
    private final Map<Long, DiskModel> seals = new HashMap<>();

    ReplicatedDisk(
            final Simulation simulation,
            final GuestDisk primary,
            final SimulatedMedium secondaryMedium,
            final boolean secondaryMayFail) {
        this.simulation = simulation;
        this.primary = primary;
        this.secondaryMedium = secondaryMedium;
        final byte[] content = contentOf(primary.medium());
        secondaryMedium.fill(0, content);
        checkpoint = content;
        secondary =
                new SecondaryGuestDisk(
                        secondaryMedium,
                        new CheckpointedModel("secondary " + primary.name(), content),
                        secondaryMayFail);
        tap = new StreamTap(content, this::checkSeal);
    }

    GuestDisk primary() {
        return primary;
    }

    SimulatedMedium secondaryMedium() {
        return secondaryMedium;
    }

    SecondaryGuestDisk secondary() {
        return secondary;
    }

    StreamTap tap() {
        return tap;
    }

    /** What the secondary's process opens, as the engine has it. */
    Disk openedBySecondary(final Disk opened) {
        return opened;
    }

    /** What the primary writes to, which is listened to. */
    ServedExport streamExport(final ServedExport export) {
        return TappedControl.export(export, tap);
    }

    byte[] checkpoint() {
        return checkpoint;
    }

    /**
     * The primary has just sealed an epoch; it numbers them anew now and then. A guest that was
     * told of a failure may have read what that has left: the epoch has the same.
     */
    void onSeal(final long epoch) {
        final DiskModel sealed = primary.model().snapshot();
        sealed.knowFailed(contentOf(primary.medium()));
        seals.put(epoch, sealed);
    }

    /** The stream says that the epoch ends with its present content. */
    private void checkSeal(final long epoch) {
        final DiskModel possible = seals.get(epoch);
        try {
            if (possible == null) {
                throw new AssertionError("nobody has sealed epoch " + epoch);
            }
            possible.checkContent(tap.sealed(epoch));
        } catch (final AssertionError wrong) {
            simulation.fail(
                    new AssertionError("at the seal of epoch " + epoch + ": " + wrong, wrong));
        }
    }

    /** What the primary may have held when it sealed an epoch; null where it has not. */
    DiskModel sealed(final long epoch) {
        return seals.get(epoch);
    }

    /** The secondary has committed an epoch. */
    void onCommit(final long epoch) {
        final byte[] content = tap.sealed(epoch);
        if (content == null) {
            throw new AssertionError("commit of epoch " + epoch + ", which nobody has sealed");
        }
        checkpoint = content;
        tap.forgetContentsBefore(epoch);
        seals.keySet().removeIf(older -> older < epoch);
        secondary.model().commit(content);
    }

    /** I2: nothing is under way. */
    void checkConverged() {
        requireEqual("stream", tap.content(), "secondary", contentOf(secondaryMedium));
        checkMediaEqual();
    }

    /** The same where nobody listens to the stream. */
    void checkMediaEqual() {
        requireEqual(
                "primary", contentOf(primary.medium()), "secondary", contentOf(secondaryMedium));
    }

    /** I1: a medium, the secondary one or a copy, stands alone, and nothing is under way. */
    void checkFailedOver(final SimulatedMedium medium) {
        secondary.model().present().checkContent(contentOf(medium));
    }

    private void requireEqual(
            final String one, final byte[] left, final String other, final byte[] right) {
        final int at = Arrays.mismatch(left, right);
        if (at >= 0) {
            throw new AssertionError(
                    one + " and " + other + " of " + primary.name() + " differ at byte " + at);
        }
    }

    static byte[] contentOf(final SimulatedMedium medium) {
        return medium.current().read(0, (int) medium.length());
    }
}
