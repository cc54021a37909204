package io.lockstep.bench.peer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;

/**
 * A primary and a secondary that replicate one disk, each in a process of its own on this host;
 * both disks hold the same at the start. Used by one thread; {@link #checkpoint} by another.
 */
public interface ReplicationPair extends AutoCloseable {
    /** Of one pair. */
    int WARM_UP_CHECKPOINTS = 5000;

    /** Whose replication it is, and what the link is. */
    enum Kind {
        LOCKSTEP_UNIX("lockstep, Unix", true, true),
        LOCKSTEP_TCP("lockstep, TCP", true, false),
        QEMU_UNIX("QEMU, Unix", false, true),
        QEMU_TCP("QEMU, TCP", false, false);

        private final String title;
        private final boolean isOurs;
        private final boolean isUnix;

        Kind(final String title, final boolean isOurs, final boolean isUnix) {
            this.title = title;
            this.isOurs = isOurs;
            this.isUnix = isUnix;
        }

        /** What tables call it. */
        public String title() {
            return title;
        }

        /** Whether both sides are lockstep. */
        public boolean isOurs() {
            return isOurs;
        }

        boolean isUnix() {
            return isUnix;
        }

        /** The other product's with the same link. */
        public Kind peer() {
            return switch (this) {
                case LOCKSTEP_UNIX -> QEMU_UNIX;
                case LOCKSTEP_TCP -> QEMU_TCP;
                case QEMU_UNIX -> LOCKSTEP_UNIX;
                case QEMU_TCP -> LOCKSTEP_TCP;
            };
        }

        /** Some of them in the order of a round: everybody comes first once. */
        public static List<Kind> turn(final Collection<Kind> kinds, final int round) {
            final List<Kind> turned = new ArrayList<>(kinds);
            Collections.rotate(turned, -round);
            return turned;
        }

        /** Says why it is left out, or nothing where it can run. */
        public String missing() {
            if (isOurs) {
                return "";
            }
            return without("qemu-system-x86_64", "qemu-system-x86")
                    + without("qemu-img", "qemu-utils");
        }

        private String without(final String program, final String debianPackage) {
            return ChildProcess.isOnPath(program)
                    ? ""
                    : title + " is left out: no " + program + " (package " + debianPackage + ") ";
        }

        /**
         * Sets up a pair in a folder of its own, and starts replication.
         *
         * @param buffers where lockstep keeps its pre-images; QEMU's lie beside the disks
         * @param isSparse whether the disks are all hole, and not all data
         */
        public ReplicationPair start(
                final Path folder,
                final Path buffers,
                final long diskLength,
                final boolean isSparse)
                throws IOException, InterruptedException {
            return isOurs
                    ? LockstepPair.start(
                            folder,
                            buffers,
                            LockstepPair.Shape.ofOneDisk(isUnix, diskLength, isSparse))
                    : QemuPair.start(folder, folder, isUnix, true, diskLength, isSparse, false);
        }

        /** Sets up a pair in new folders, and starts replication. */
        public ReplicationPair start(
                final PairFolders folders, final long diskLength, final boolean isSparse)
                throws IOException, InterruptedException {
            return isOurs
                    ? LockstepPair.start(
                            folders, LockstepPair.Shape.ofOneDisk(isUnix, diskLength, isSparse))
                    : QemuPair.start(folders, isUnix, true, diskLength, isSparse);
        }

        /** The same of QEMU's, whose guest comes over the same kind of socket as the link. */
        public static ReplicationPair startQemuGuestAlike(
                final PairFolders folders,
                final boolean isUnix,
                final long diskLength,
                final boolean isSparse)
                throws IOException, InterruptedException {
            return QemuPair.start(folders, isUnix, isUnix, diskLength, isSparse);
        }
    }

    /** The guest's export of the primary. */
    String guestUri();

    /** The guest's export of the secondary. */
    String secondaryGuestUri();

    /** Waits until the secondary has all that the guest was told is written. */
    void drain() throws IOException, InterruptedException;

    /** Makes the present state the one that failover returns to, as a manager does it. */
    void checkpoint() throws IOException;

    /** As many checkpoints as a manager makes in some minutes: the JVM has compiled them then. */
    default void warmUpCheckpoints() throws IOException {
        for (int i = 0; i < WARM_UP_CHECKPOINTS; i++) {
            checkpoint();
        }
    }

    /** Whether the guest must not write while {@link #checkpoint} runs. */
    boolean pausesItsGuest();

    /**
     * What the longest commit since the call before took inside of the engine; not a number where
     * that doesn't tell.
     */
    double commitMicros() throws IOException;

    /** Processor time that both sides have taken since they started, in microseconds. */
    double cpuMicros() throws IOException;

    /** Waits until the secondary is as ready to take over as one that has stood by for long. */
    default void awaitStandby() throws IOException, InterruptedException {
        // It has nothing to get ready.
    }

    /** SIGKILL. */
    void killPrimary() throws InterruptedException;

    /** Has the secondary take over; returns when it says that it has. */
    void failOver() throws IOException;

    /** Whether the failed over secondary is a plain disk by now. */
    boolean isMerged() throws IOException;

    @Override
    void close();
}
