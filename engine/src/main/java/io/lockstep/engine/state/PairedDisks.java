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
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Keeps who uses disks without replicating them from writing behind the back of their pair: those
 * that belong to a node whose state lies beside one of the files. Stateless; blocking.
 */
public final class PairedDisks {
    private PairedDisks() {}

    /**
     * A disk's node, as its state says.
     *
     * @param directory where that is
     * @param record of a node that is in a pair
     */
    public record Membership(Path directory, NodeRecord record) {}

    /**
     * Refuses disks that are in a pair; or has their nodes begin a generation, so that the pair
     * knows.
     *
     * @param reigns what a generation is made of; empty to refuse
     * @throws IOException with a sentence
     */
    public static void prepare(final List<DiskFile> disks, final Optional<Reigns> reigns)
            throws IOException {
        final Set<Path> places = places(disks);
        for (final DiskFile disk : disks) {
            final Optional<Membership> membership = find(disk, places);
            if (membership.isPresent() && reigns.isEmpty()) {
                throw new IOException(
                        "disk "
                                + disk.name()
                                + " is in a pair, as the state in "
                                + membership.get().directory()
                                + " says, and what is written here its peer would never get;"
                                + " serve it with --read-only, take it out of its pair with"
                                + " 'lockstep state --forget', or say --new-generation");
            } else if (membership.isPresent()) {
                begin(membership.get().directory(), reigns.get());
            }
        }
    }

    /** The directories beside these disks in which there may be a state. */
    public static Set<Path> places(final List<DiskFile> disks) {
        final Set<Path> places = new LinkedHashSet<>();
        for (final DiskFile disk : disks) {
            try {
                places.add(StatePlace.of(disk));
            } catch (final IOException e) {
                // There is no place for a state: there is none.
            }
        }
        return places;
    }

    /**
     * Finds the node that a disk belongs to.
     *
     * @param places where its state may be
     * @return empty where there is none, or it is in no pair
     * @throws IOException where a state is there, and can't be read
     */
    public static Optional<Membership> find(final DiskFile disk, final Set<Path> places)
            throws IOException {
        for (final Path place : places) {
            final Optional<NodeRecord> record =
                    Files.isDirectory(place) ? StateFile.read(place) : Optional.empty();
            if (record.isPresent() && has(record.get(), disk)) {
                return Optional.of(new Membership(place, record.get()));
            }
        }
        return Optional.empty();
    }

    private static boolean has(final NodeRecord record, final DiskFile disk) {
        return record.standing() != Standing.FRESH
                && record.disks().stream().anyMatch(known -> isOne(known, disk.identity()));
    }

    /** By whatever name it is served, and though its file was made longer, or cut short, since. */
    private static boolean isOne(final DiskIdentity known, final DiskIdentity found) {
        final long length = known.backing().isEmpty() ? found.length() : known.length();
        return DiskIdentity.difference(
                        List.of(known),
                        List.of(new DiskIdentity(known.name(), length, found.backing())))
                .isEmpty();
    }

    /**
     * Has a node go on alone, in a generation of its own.
     *
     * @param directory of its state, which nobody has open
     * @throws IOException with a sentence, where that can't be recorded, or a merge is not done
     */
    public static void begin(final Path directory, final Reigns reigns) throws IOException {
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
                            : node.goPlain(reigns.name(), reigns.begin(epoch));
            Tracking.invalidate(directory);
            begun.join(); // the file stores before it returns
        } catch (final CompletionException e) {
            throw new IOException(directory + ": " + e.getCause().getMessage(), e);
        }
    }
}
