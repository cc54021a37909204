package io.lockstep.engine.state;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Reigns;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Keeps a plain server from writing disks behind the back of their pair: those beside whose file
 * there is the state of a node that they belong to. Stateless; blocking.
 */
public final class PairedDisks {
    private PairedDisks() {}

    /**
     * Refuses disks that are in a pair; or has their nodes begin a generation, so that the pair
     * knows.
     *
     * @param reigns what a generation is made of; empty to refuse
     * @throws IOException with a sentence
     */
    public static void prepare(final List<DiskFile> disks, final Optional<Reigns> reigns)
            throws IOException {
        for (final DiskFile disk : disks) {
            final Optional<Path> place = place(disk);
            if (place.isPresent() && isInPair(disk, place.get())) {
                if (reigns.isEmpty()) {
                    throw new IOException(
                            "disk "
                                    + disk.name()
                                    + " is in a pair, as the state in "
                                    + place.get()
                                    + " says, and what is written here its peer would never get;"
                                    + " serve it with --read-only, take it out of its pair with"
                                    + " 'lockstep state --forget', or say --new-generation");
                }
                begin(place.get(), reigns.get());
            }
        }
    }

    private static Optional<Path> place(final DiskFile disk) {
        try {
            return Optional.of(StatePlace.of(disk)).filter(Files::isDirectory);
        } catch (final IOException e) {
            return Optional.empty(); // there is no place for a state: there is none
        }
    }

    private static boolean isInPair(final DiskFile disk, final Path directory) throws IOException {
        final Optional<NodeRecord> record = StateFile.read(directory);
        return record.isPresent()
                && record.get().standing() != Standing.FRESH
                && record.get().disks().stream().anyMatch(known -> isOne(known, disk.identity()));
    }

    /** By whatever name it is served. */
    private static boolean isOne(final DiskIdentity known, final DiskIdentity found) {
        return DiskIdentity.difference(
                        List.of(known),
                        List.of(new DiskIdentity(known.name(), found.length(), found.backing())))
                .isEmpty();
    }

    private static void begin(final Path directory, final Reigns reigns) throws IOException {
        try (StateFile file = StateFile.open(directory)) {
            final Node node = new Node(file.load().orElseThrow(), file);
            if (node.record().isMerging()) {
                throw new IOException(
                        directory
                                + ": a merge is not done, and the buffers hold what the disks lack;"
                                + " start the node again and let it end, first");
            }
            final long epoch = node.record().committedEpoch();
            final CompletableFuture<Void> begun =
                    node.standing().isPrimary()
                            ? node.part(reigns.begin(epoch))
                            : node.force(reigns.name(), reigns.begin(epoch))
                                    .thenCompose(forced -> node.merged());
            Tracking.invalidate(directory);
            begun.join(); // the file stores before it returns
        } catch (final CompletionException e) {
            throw new IOException(directory + ": " + e.getCause().getMessage(), e);
        }
    }
}
