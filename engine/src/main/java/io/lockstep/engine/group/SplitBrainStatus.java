package io.lockstep.engine.group;

import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Stance;
import io.lockstep.engine.node.Summary;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What the two sides of a split brain have, of which the other one has nothing: an immutable value.
 *
 * @param own what this node has
 * @param peer what the other one has, as it said last
 * @param disks what this node has of each disk
 * @param isDiscarded whether this node gives it up
 */
public record SplitBrainStatus(Way own, Way peer, List<DiskChange> disks, boolean isDiscarded) {
    /** Copies the list. */
    public SplitBrainStatus {
        disks = List.copyOf(disks);
    }

    /**
     * What one of them has.
     *
     * @param node its name, in brief
     * @param changed bytes at most; {@link Stance#UNKNOWN} where nothing is known of them
     * @param parting the generation with which its way parts from the other's; empty where it is in
     *     the last one of both still, without its peer
     * @param hasGuest whether a client of its guest is connected
     */
    public record Way(String node, long changed, Optional<Reign> parting, boolean hasGuest) {
        /** That of a node that has met another one. */
        public static Way of(final Summary node, final Summary other, final long changed) {
            return new Way(
                    node.node().brief(),
                    changed,
                    node.partingFrom(other),
                    node.stance().hasGuest());
        }

        @Override
        public String toString() {
            return bytes(changed)
                    + parting.map(reign -> ", from " + reign.beginning() + " on")
                            .orElse(", since it lost its link");
        }
    }

    /**
     * What this node has of a disk.
     *
     * @param changed as above
     */
    public record DiskChange(String disk, long changed) {}

    private static String bytes(final long changed) {
        return changed == Stance.UNKNOWN
                ? "an unknown number of bytes"
                : "at most " + changed + " bytes";
    }

    /** What is discarded here, or would be. */
    public String discarded() {
        return own
                + (own.changed == Stance.UNKNOWN
                        ? ", of disks "
                                + disks.stream()
                                        .map(DiskChange::disk)
                                        .collect(Collectors.joining(", "))
                        : ", of "
                                + disks.stream()
                                        .map(one -> "disk " + one.disk + " " + one.changed)
                                        .collect(Collectors.joining(", ")));
    }
}
