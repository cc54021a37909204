package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.GatedDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.WallClock;
import io.lockstep.engine.node.NodeRole;
import io.lockstep.engine.node.Reigns;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.state.PairedDisks;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Disks that belong to a pair, and are used without replication: before a manager starts it, and
 * after it has taken it away. What is written then must not be behind the lineage's back: a node
 * that is a primary goes on alone, which is recorded before the first change is done; the disk of a
 * secondary its primary writes, and nobody else. The rule is in docs/lives.md.
 *
 * <p>On the engine's loop, but for {@link #admit}.
 */
final class PlainUse {
    private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final IoLoop loop;
    private final HelperThreads helpers;
    private final EngineOptions options;
    private final Reigns reigns = new Reigns(new SecureRandom(), WallClock::seconds);

    /** Of a state that this process does not hold open: one change at a time. */
    private CompletableFuture<Void> recording = CompletableFuture.completedFuture(null);

    PlainUse(final IoLoop loop, final HelperThreads helpers, final EngineOptions options) {
        this.loop = loop;
        this.helpers = helpers;
        this.options = options;
    }

    /**
     * Looks whether a disk may be written as it is. Blocking, on any thread.
     *
     * @param all the files of the process, beside each of which there may be a state
     * @return where the state is in which the first change must be recorded; empty for none
     * @throws IOException with a sentence, where it must not be written
     */
    Optional<Path> admit(final DiskFile disk, final List<DiskFile> all) throws IOException {
        final Set<Path> places = PairedDisks.places(all);
        if (options.state() != null) {
            places.add(options.state());
        }
        final Optional<PairedDisks.Membership> found = PairedDisks.find(disk, places);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        final Path directory = found.get().directory();
        if (found.get().record().isMerging()) {
            throw new IOException(
                    "disk "
                            + disk.name()
                            + " lacks what the merge of a failover has not done yet, as the state"
                            + " in "
                            + directory
                            + " says: start this node as the secondary that took over, with the"
                            + " same buffers, and let the merge end, first");
        }
        if (NodeRole.of(found.get().record()).equals(Optional.of(NodeRole.SECONDARY))) {
            if (!options.newGeneration()) {
                throw new IOException(refusal(disk, found.get()));
            }
            PairedDisks.begin(directory, reigns);
            return Optional.empty();
        }
        if (found.get().record().standing() == Standing.REIGNING) {
            return Optional.of(directory);
        }
        Tracking.invalidate(directory); // what is written here is not noted
        return Optional.empty();
    }

    private static String refusal(final DiskFile disk, final PairedDisks.Membership found) {
        return "disk "
                + disk.name()
                + " is not written without its pair: this node "
                + found.record().standing().sentence()
                + ", as its state says ("
                + found.directory()
                + "). Start it with 'lockstep node' or 'lockstep secondary', or as 'lockstep"
                + " engine' with the arguments of a secondary; or take its disks out of the pair"
                + " with 'lockstep state --forget'; or have 'lockstep engine' begin a generation"
                + " with --new-generation";
    }

    /**
     * A disk whose first change waits for the record.
     *
     * @param directory of its node's state
     * @param live the state that the process holds open by then; null where it does not
     */
    Disk gated(final Disk below, final Path directory, final Supplier<NodeState> live) {
        return new GatedDisk(
                below,
                whenRecorded -> {
                    final NodeState state = live.get();
                    if (state != null && state.isIn(directory)) {
                        part(below.name(), state, whenRecorded);
                    } else {
                        loop.after(record(below.name(), directory), whenRecorded);
                    }
                });
    }

    /** The same where the process holds the state open. */
    Disk gated(final Disk below, final NodeState live) {
        return new GatedDisk(below, whenRecorded -> part(below.name(), live, whenRecorded));
    }

    private void part(final String disk, final NodeState state, final Runnable whenRecorded) {
        state.tracking().forget(); // what is written here is not noted
        state.tracking().whenForgotten(() -> partForgotten(disk, state, whenRecorded));
    }

    private void partForgotten(
            final String disk, final NodeState state, final Runnable whenRecorded) {
        if (!state.self().node().standing().isPrimary()) {
            whenRecorded.run(); // it was taken out of its pair, or has ended as a secondary
            return;
        }
        loop.after(
                state.self()
                        .node()
                        .part(
                                state.self()
                                        .reigns()
                                        .begin(state.self().node().record().committedEpoch())),
                (done, thrown) -> {
                    if (thrown == null) {
                        whenRecorded.run();
                    } else {
                        sayThatItWaits(disk, thrown.getMessage());
                        loop.schedule(AGAIN_NANOS, () -> part(disk, state, whenRecorded));
                    }
                });
    }

    private CompletableFuture<Void> record(final String disk, final Path directory) {
        final CompletableFuture<Void> recorded = new CompletableFuture<>();
        loop.after(recording, () -> record(disk, directory, recorded));
        recording = recorded;
        return recorded;
    }

    private void record(
            final String disk, final Path directory, final CompletableFuture<Void> recorded) {
        helpers.execute(
                () -> {
                    final Optional<String> failure = tryBegin(directory);
                    loop.execute(() -> onTried(disk, directory, recorded, failure));
                });
    }

    private Optional<String> tryBegin(final Path directory) {
        try {
            PairedDisks.begin(directory, reigns);
            return Optional.empty();
        } catch (final IOException e) {
            return Optional.of(e.getMessage());
        }
    }

    private void onTried(
            final String disk,
            final Path directory,
            final CompletableFuture<Void> recorded,
            final Optional<String> failure) {
        if (failure.isPresent()) {
            sayThatItWaits(disk, failure.get());
            loop.schedule(AGAIN_NANOS, () -> record(disk, directory, recorded));
            return;
        }
        options.serverEvents()
                .onDiskError(
                        "disk "
                                + disk
                                + " is in a pair, as the state in "
                                + directory
                                + " says, and its guest writes without it: a generation has begun"
                                + " which the peer does not have");
        recorded.complete(null);
    }

    private void sayThatItWaits(final String disk, final String failure) {
        options.serverEvents()
                .onDiskError(
                        "disk "
                                + disk
                                + ": "
                                + failure
                                + "; the guest's writes wait, and it is tried again");
    }

    /** Done when no state is being written that this process does not hold open. */
    CompletableFuture<Void> whenRecorded() {
        return recording;
    }
}
