package io.lockstep.simulator;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.server.ServedExport;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What the primary of a {@link ReplicationScenario} has promised to its guests. */
final class PairPromises implements Promises.Keeper {
    private final List<ReplicatedDisk> disks;
    private final Promises promises;
    private long committed;
    private boolean isOver;

    PairPromises(final List<ReplicatedDisk> disks, final PromiseCounts counts) {
        this.disks = disks;
        promises = new Promises(counts, this);
    }

    /** A process begins, at a level, and serves those exports. */
    List<ServedExport> serve(
            final Promises.Giver giver, final AckLevel level, final List<ServedExport> exports) {
        promises.begin(giver, level);
        promises.serve(disks.stream().map(disk -> disk.primary().name()).toList(), contents());
        final List<ServedExport> served = new ArrayList<>();
        for (int i = 0; i < exports.size(); i++) {
            final ServedExport export = exports.get(i);
            served.add(
                    new ServedExport(
                            export.export(),
                            new PromisedDisk(export.disk(), promises, i),
                            export.loop(),
                            export.control(),
                            export.policy(),
                            export.counters()));
        }
        return served;
    }

    private List<byte[]> contents() {
        return disks.stream()
                .map(disk -> disk.primary().medium())
                .map(PairPromises::content)
                .toList();
    }

    private static byte[] content(final SimulatedMedium medium) {
        return medium.current().read(0, (int) medium.length());
    }

    /** Another one holds from now on. */
    void level(final AckLevel now) {
        promises.level(now);
    }

    /** The process has ended. */
    void onEnded() {
        promises.end(contents());
    }

    /**
     * Looks whether the secondary has made a checkpoint, or has taken over, with writes of its own
     * from then on; after every event.
     */
    void observe(final long nowCommitted, final boolean hasTakenOver) {
        if (hasTakenOver && !isOver) {
            isOver = true;
            checkpoint().ifPresent(contents -> promises.onTakenOver(contents, true, true));
        }
        if (committed < nowCommitted) {
            committed = nowCommitted;
            checkpoint().ifPresent(promises::onCheckpoint);
        }
    }

    @Override
    public Optional<List<byte[]>> checkpoint() {
        return Optional.of(disks.stream().map(ReplicatedDisk::checkpoint).toList());
    }

    @Override
    public List<byte[]> onStableStorage() {
        return disks.stream()
                .map(ReplicatedDisk::secondaryMedium)
                .map(medium -> medium.durable().read(0, (int) medium.length()))
                .toList();
    }

    /** The two do not meet again. */
    @Override
    public boolean isFoundOut() {
        return true;
    }
}
