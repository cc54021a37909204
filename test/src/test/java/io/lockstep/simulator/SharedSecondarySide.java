package io.lockstep.simulator;

import io.lockstep.engine.node.Standing;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.BooleanSupplier;

/** The secondary host of a pair that shares its disks. */
final class SharedSecondarySide extends SecondarySide {
    private static final String BEGAN_LATER = "this process began later";

    private final List<SharedReplicatedDisk> disks;

    /** Whether the primary has not overwritten what it has not announced. */
    private final BooleanSupplier isAnnounced;

    /** Whether a checkpoint is looked at when it is made, and not when it is needed. */
    private final BooleanSupplier judgesAtOnce;

    private boolean isJudged;

    /** Whether a primary was attached since the present process began. */
    private boolean wasLinked;

    private boolean isRefused;

    /** The epoch to which a failover returns, as it was found; 0 where it returns to none. */
    private long checkpoint;

    SharedSecondarySide(
            final SimulatedNetwork network,
            final List<SharedReplicatedDisk> disks,
            final BufferDirectories directories,
            final long bufferLimit,
            final boolean isCalm,
            final BooleanSupplier isAnnounced,
            final BooleanSupplier judgesAtOnce) {
        super(
                network,
                List.copyOf(disks),
                directories,
                bufferLimit,
                isCalm,
                network.simulation().seed() % 2 == 1);
        this.disks = List.copyOf(disks);
        this.isAnnounced = isAnnounced;
        this.judgesAtOnce = judgesAtOnce;
    }

    /** The epoch to which a failover returns; 0 where there is none. */
    long checkpoint() {
        return checkpoint;
    }

    @Override
    SecondaryOptions options(final Path directory) {
        return super.options(directory).sharing(() -> disks.forEach(SharedReplicatedDisk::take));
    }

    /** There nobody else has the disks, and what it may go back to is no question. */
    @Override
    SecondaryOptions optionsOfCopy(final Path directory) {
        return super.options(directory);
    }

    /** Its manager has fenced the primary, and does not force anything. */
    @Override
    CompletableFuture<Void> takeOver(final SecondaryGroup present) {
        present.fenced();
        return present.failOver(false)
                .exceptionally(
                        refused -> {
                            if (wasLinked || !refused.getMessage().contains(BEGAN_LATER)) {
                                throw new CompletionException(refused);
                            }
                            isRefused = true;
                            return null;
                        });
    }

    /**
     * Whether it does not take over, though it has a checkpoint: its process began later than its
     * last link, and what the primary has written since nobody knows.
     */
    boolean isRefused() {
        return isRefused;
    }

    @Override
    void start() {
        wasLinked = false;
        super.start();
    }

    @Override
    void onCommitted(final long epoch) {
        // What it is is seen where the node stands at a checkpoint.
    }

    @Override
    void observe() {
        super.observe();
        wasLinked |= isUp() && isLinked();
        if (!isUp() || hasFailedOver()) {
            return;
        }
        if (!isAtCheckpoint()) {
            checkpoint = 0;
        } else if (checkpoint != committed() && committed() > 0) {
            checkpoint = committed();
            isJudged = false;
            if (judgesAtOnce.getAsBoolean()) {
                judge();
            }
        }
    }

    /** What the last checkpoint is, by what a failover would leave now. */
    void judge() {
        if (isUp() && checkpoint > 0 && !isJudged) {
            isJudged = true;
            final List<SimulatedMedium> media = whatIfKilled();
            for (int i = 0; i < media.size(); i++) {
                disks.get(i).onCheckpoint(checkpoint, ReplicatedDisk.contentOf(media.get(i)));
            }
        }
    }

    private boolean isAtCheckpoint() {
        return node().standing() == Standing.FOLLOWING && isAnnounced.getAsBoolean();
    }

    @Override
    void checkWhatIfKilled() {
        observe();
        if (isUp() && isAtCheckpoint() && checkpoint > 0) {
            judge();
            super.checkWhatIfKilled();
        }
    }
}
