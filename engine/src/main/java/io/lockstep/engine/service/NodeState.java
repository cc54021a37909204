package io.lockstep.engine.service;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.WallClock;
import io.lockstep.engine.memory.Storage;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.OwnStance;
import io.lockstep.engine.node.Reigns;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.state.Boot;
import io.lockstep.engine.state.LoopStateStore;
import io.lockstep.engine.state.StateFile;
import io.lockstep.engine.state.StatePlace;
import io.lockstep.engine.tracking.ActivityLimits;
import io.lockstep.engine.tracking.Tracking;
import io.lockstep.engine.tracking.TrackingFiles;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * The node of a process that replicates, and its open state. It is opened with the first disks that
 * get a role, and is the same for all roles that the process has. On the engine's loop.
 */
final class NodeState implements AutoCloseable {
    private final StateFile file;
    private final Self self;
    private final Tracking tracking;
    private boolean leavesNothing;

    private NodeState(final StateFile file, final Self self, final Tracking tracking) {
        this.file = file;
        this.self = self;
        this.tracking = tracking;
    }

    /**
     * Where it lies.
     *
     * @param directory null for the place that is beside the first disk
     * @param mayVanish whether it may lie in memory where the disks outlive that
     */
    record Place(Path directory, boolean mayVanish) {}

    /**
     * Opens the state of these disks, made if there is none.
     *
     * @param stance what the process has the node say
     * @throws IOException with a sentence, where it can't be had, or is that of other disks
     */
    static NodeState open(
            final Place place,
            final List<DiskFile> disks,
            final HelperThreads helpers,
            final IoLoop loop,
            final OwnStance stance)
            throws IOException {
        final Path directory =
                place.directory == null ? StatePlace.of(disks.getFirst()) : place.directory;
        StatePlace.requireLasting(directory, disks, place.mayVanish);
        final StateFile file = StateFile.open(directory);
        boolean opened = false;
        try {
            final NodeState state = load(file, disks, helpers, loop, stance);
            opened = true;
            return state;
        } finally {
            if (!opened) {
                file.discard(); // a record that is there by now is of a node without a past
            }
        }
    }

    private static NodeState load(
            final StateFile file,
            final List<DiskFile> disks,
            final HelperThreads helpers,
            final IoLoop loop,
            final OwnStance stance)
            throws IOException {
        final Reigns reigns = new Reigns(new SecureRandom(), WallClock::seconds);
        final Id boot = Boot.current();
        final Optional<NodeRecord> found = file.load();
        found.filter(record -> record.standing() != Standing.FRESH)
                .ifPresent(record -> disks.forEach(disk -> keepTo(record, disk)));
        final List<DiskIdentity> identities = identities(disks);
        final NodeRecord before =
                found.orElseGet(() -> NodeRecord.fresh(reigns.name(), boot, identities));
        if (found.isEmpty()) {
            file.write(before);
        }
        final long numberFound = file.number();
        final Node opening = new Node(before, file); // which stores before it returns
        require(opening.open(boot, identities), file.directory());
        final Node node =
                new Node(opening.record(), file.number(), new LoopStateStore(file, helpers, loop));
        final List<Long> lengths = disks.stream().map(DiskFile::length).toList();
        final boolean isInMemory =
                Storage.isMemory(file.directory())
                        || disks.stream().allMatch(DiskFile::isMemoryBacked);
        final Tracking tracking =
                isInMemory
                        ? Tracking.open(file.directory(), lengths, boot)
                        : Tracking.openLasting(
                                TrackingFiles.open(file.directory(), lengths),
                                lengths,
                                boot,
                                new HelpersForTracking(helpers, loop),
                                loop,
                                ActivityLimits.STANDARD);
        return new NodeState(
                file, new Self(node, reigns, before.isClean(), numberFound, stance), tracking);
    }

    /** What a file has behind that nobody has said to use. */
    private static void keepTo(final NodeRecord record, final DiskFile disk) {
        record.disks().stream()
                .filter(known -> known.name().equals(disk.name()))
                .forEach(known -> disk.keepTo(known.length()));
    }

    private static List<DiskIdentity> identities(final List<DiskFile> disks) {
        return disks.stream().map(DiskFile::identity).toList();
    }

    private static void require(final CompletableFuture<Void> done, final Path directory)
            throws IOException {
        try {
            done.join();
        } catch (final CompletionException e) {
            throw new IOException(directory + ": " + e.getCause().getMessage(), e);
        }
    }

    /** Whether it lies in that directory. */
    boolean isIn(final Path directory) {
        try {
            return Files.isSameFile(file.directory(), directory);
        } catch (final IOException e) {
            return false; // one of them is gone
        }
    }

    Self self() {
        return self;
    }

    /** What it has changed, and its peer may lack. */
    Tracking tracking() {
        return tracking;
    }

    /**
     * Refuses disks that are not the node's.
     *
     * @throws IOException with a sentence
     */
    void requireDisks(final List<DiskFile> disks) throws IOException {
        final Optional<String> difference =
                DiskIdentity.difference(self.node().record().disks(), identities(disks));
        if (difference.isPresent()) {
            throw new IOException(file.directory() + ": " + difference.get());
        }
    }

    /**
     * Whether the node is this process's own, and nothing has happened to it: of such a one nothing
     * need be left.
     */
    boolean isWithoutPast() {
        return file.isNew()
                && self.node().standing() == Standing.FRESH
                && !self.node().record().isJoining();
    }

    /** When the state is given back nothing of it is left. */
    void leaveNothing() {
        leavesNothing = true;
    }

    /** The process ends in good order, which is recorded, where there is a node. */
    static void end(final NodeState state, final IoLoop loop, final Runnable whenRecorded) {
        if (state == null) {
            whenRecorded.run();
        } else {
            loop.after(state.self.node().close(), (done, thrown) -> whenRecorded.run());
        }
    }

    /**
     * Gives the state back at the end of the process. Nothing may be on its way there.
     *
     * @param areFlushed whether all that was written to the disks is on stable storage
     * @param events hear where another boot will know less than it could
     */
    void close(final boolean areFlushed, final ServerEvents events) {
        try {
            if (areFlushed) {
                tracking.settle();
            }
        } catch (final IOException e) {
            events.onDiskError(
                    e.getMessage()
                            + "; if the peer has to be made equal in the host's next boot, what was"
                            + " written lately is compared there");
        }
        close();
    }

    /** Gives the state back. Nothing may be on its way there. */
    @Override
    public void close() {
        tracking.close();
        if (leavesNothing) {
            file.discard();
        } else {
            file.close();
        }
    }
}
