package io.lockstep.bench.compare;

import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.DiskImages;

import java.io.IOException;

/** A running export, replicated or not, whose flushes are measured. One thread's. */
interface FlushSubject extends AutoCloseable {
    /** The guest's export. */
    String guestUri();

    /** Has the guest answered as one of the peers answers it, of those that this engine is. */
    void become(FlushPeer peer) throws IOException;

    /** Waits until the secondary has all that the guest was told is written. */
    void drain() throws IOException, InterruptedException;

    /**
     * Makes the present state the one that failover returns to, and has it written back: so whoever
     * is measured next has the device for himself.
     */
    void settle() throws IOException;

    /** Processor time that all its processes have taken, in microseconds. */
    double cpuMicros() throws IOException;

    @Override
    void close() throws IOException;

    /**
     * How they are set up.
     *
     * @param images of the disks
     * @param diskLength of each, in bytes
     * @param isSecondaryInMemory whether the secondary's disks lie there in any case
     * @param isUnix whether guest and link come over Unix sockets, not TCP
     */
    record Setting(
            DiskImages images, long diskLength, boolean isSecondaryInMemory, boolean isUnix) {}

    /** Starts one, on disks just made. */
    static FlushSubject start(final FlushPeer peer, final Setting setting)
            throws IOException, InterruptedException {
        final PairFolders folders =
                PairFolders.in(setting.images().directory(), setting.isSecondaryInMemory());
        boolean started = false;
        try {
            final FlushSubject subject = start(peer, setting, folders);
            started = true;
            return subject;
        } finally {
            if (!started) {
                folders.close();
            }
        }
    }

    private static FlushSubject start(
            final FlushPeer peer, final Setting setting, final PairFolders folders)
            throws IOException, InterruptedException {
        final boolean isUnix = setting.isUnix();
        final long length = setting.diskLength();
        final boolean isSparse = setting.images().isSparse();
        return switch (peer.engine()) {
            case SERVER ->
                    new Served(
                            BenchServer.startLockstep(folders, isUnix, length, isSparse), folders);
            case PAIR ->
                    new Replicated(
                            LockstepPair.start(
                                    folders,
                                    LockstepPair.Shape.guestAlike(
                                            isUnix, length, isSparse, peer.level())),
                            folders);
            case QEMU ->
                    new Replicated(
                            ReplicationPair.Kind.startQemuGuestAlike(
                                    folders, isUnix, length, isSparse),
                            folders);
        };
    }

    /** A disk by itself. */
    record Served(BenchServer server, PairFolders folders) implements FlushSubject {
        @Override
        public String guestUri() {
            return server.uri();
        }

        @Override
        public void become(final FlushPeer peer) {}

        @Override
        public void drain() {}

        @Override
        public void settle() throws IOException {
            folders.writeBack();
        }

        @Override
        public double cpuMicros() throws IOException {
            return server.cpuMicros();
        }

        @Override
        public void close() throws IOException {
            server.close();
            folders.close();
        }
    }

    /** A pair, ours or QEMU's. */
    record Replicated(ReplicationPair pair, PairFolders folders) implements FlushSubject {
        @Override
        public String guestUri() {
            return pair.guestUri();
        }

        @Override
        public void become(final FlushPeer peer) throws IOException {
            if (pair instanceof LockstepPair ours) {
                ours.acknowledge(peer.level());
            }
        }

        @Override
        public void drain() throws IOException, InterruptedException {
            pair.drain();
        }

        @Override
        public void settle() throws IOException {
            pair.checkpoint();
            folders.writeBack();
        }

        @Override
        public double cpuMicros() throws IOException {
            return pair.cpuMicros();
        }

        @Override
        public void close() throws IOException {
            pair.close();
            folders.close();
        }
    }
}
