package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.VerificationStatus;
import io.lockstep.engine.group.VerificationStatus.Piece;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryOptions;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A pair is compared again and again while guests write all the time, some writes fail, checkpoints
 * are made and the link is cut. What rots at the secondary is found, piece by piece, and nothing
 * else is; it is equal with the next checkpoint.
 */
final class VerificationScenario implements AutoCloseable {
    private static final long WHILE_NANOS = 3600 * Simulation.SECOND;
    private static final int PIECE_LENGTH = 64 << 10;
    private static final int LOG_LENGTH = 1 << 20;
    private static final int BUFFER_LIMIT = 16 << 20;
    private static final int ROUNDS = 3;
    private static final NbdGuest.Habits BUSY = new NbdGuest.Habits(300, 6, 30_000, 9000, true);

    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedNetwork network;
    private final BufferDirectories directories = new BufferDirectories();
    private final List<ReplicatedDisk> disks = new ArrayList<>();

    /** Guests use the first disk alone: what rots elsewhere stays until it is mended. */
    private final ScenarioGuests guests;

    private final SecondarySide secondary;
    private final PrimarySide primary;

    VerificationScenario(final Simulation simulation) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        network = new SimulatedNetwork(simulation, NetworkFaults.NONE);
        disks.add(makeDisk("busy", dice.between(1, 3 * PIECE_LENGTH)));
        disks.add(makeDisk("quiet", dice.between(1, 40 * PIECE_LENGTH)));
        guests = new ScenarioGuests(simulation, network, dice, disks.subList(0, 1));
        secondary =
                new SecondarySide(
                        network,
                        disks,
                        directories,
                        BUFFER_LIMIT,
                        true,
                        simulation.seed() % 2 == 1);
        primary =
                new PrimarySide(
                        network,
                        "primary",
                        disks,
                        new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.AT_FIRST),
                        dice.chance(0.5),
                        false);
    }

    private ReplicatedDisk makeDisk(final String name, final long length) {
        return new ReplicatedDisk(
                simulation,
                new GuestDisk(
                        simulation, new SimulatedMedium(simulation, name, length, DiskFaults.NONE)),
                new SimulatedMedium(simulation, name, length, DiskFaults.NONE),
                false);
    }

    void play() {
        secondary.start();
        simulation.runUntil("the secondary waits", WHILE_NANOS, secondary::isRunning);
        primary.start();
        primary.execute(PrimaryGroup::start);
        simulation.runUntil("it is linked", WHILE_NANOS, this::isLinked);
        simulation.observe(this::observe);
        final DiskFaults slow = DiskFaults.NONE.slowing(0.2, 20 * Simulation.MILLISECOND);
        disks.forEach(disk -> disk.secondaryMedium().faults(slow));
        final ReplicatedDisk busy = disks.getFirst();
        busy.primary()
                .medium()
                .faults(
                        dice.chance(0.5)
                                ? slow.failing(0.05, DiskOperation.WRITE, DiskOperation.ZERO)
                                : slow);
        for (int i = 0; i < ROUNDS; i++) {
            guests.start(primary, BUSY);
            guests.start(primary, BUSY);
            simulation.runFor(dice.between(0, 50 * Simulation.MILLISECOND));
            final Set<Piece> rotten = dice.chance(0.7) ? rot() : Set.of();
            checkThatAreFound(rotten);
            guests.await(WHILE_NANOS);
            checkpoint();
            disks.forEach(ReplicatedDisk::checkConverged);
        }
    }

    private void observe() {
        secondary.observe();
    }

    private boolean isLinked() {
        return primary.status().linked() && secondary.status().linked();
    }

    /** A bit of some pieces is turned over at the secondary. */
    private Set<Piece> rot() {
        final SimulatedMedium medium = disks.getLast().secondaryMedium();
        final Set<Piece> rotten = new HashSet<>();
        for (int i = dice.between(1, 8); i > 0; i--) {
            final long at = dice.between(0, medium.length() - 1);
            final long start = at / PIECE_LENGTH * PIECE_LENGTH;
            final Piece piece =
                    new Piece(
                            medium.name(), start, Math.min(PIECE_LENGTH, medium.length() - start));
            if (rotten.add(piece)) {
                final byte[] one = medium.current().read(at, 1);
                one[0] ^= (byte) (1 << dice.between(0, 7));
                medium.fill(at, one);
            }
        }
        return rotten;
    }

    private void checkThatAreFound(final Set<Piece> rotten) {
        final long begin = simulation.now();
        primary.execute(
                group ->
                        group.healing()
                                .verify()
                                .exceptionally(
                                        refusal -> {
                                            simulation.fail(refusal);
                                            return null;
                                        }));
        for (int i = dice.between(0, 2); i > 0; i--) {
            simulation.schedule(
                    dice.between(0, 100 * Simulation.MILLISECOND),
                    () -> network.cut(primary.host(), secondary.host()));
        }
        simulation.schedule(
                dice.between(0, 50 * Simulation.MILLISECOND),
                () -> primary.execute(PrimaryGroup::checkpoint));
        final List<VerificationStatus> found = new ArrayList<>();
        look(begin, found);
        simulation.runUntil("all is compared", WHILE_NANOS, () -> !found.isEmpty());
        final VerificationStatus status = found.getFirst();
        assertEquals(Job.State.COMPLETED, status.state(), status.ending());
        assertEquals(status.total(), status.compared());
        assertEquals(rotten, Set.copyOf(status.first()));
        assertEquals(rotten.size(), status.pieces());
        assertEquals(rotten.stream().mapToLong(Piece::length).sum(), status.differing());
    }

    private void look(final long begin, final List<VerificationStatus> found) {
        primary.execute(
                group ->
                        group.healing()
                                .verification()
                                .filter(status -> !status.isUnderWay() && isOf(status, begin))
                                .ifPresent(found::add));
        if (found.isEmpty()) {
            simulation.schedule(10 * Simulation.MILLISECOND, () -> look(begin, found));
        }
    }

    /** Whether it has begun since. */
    private boolean isOf(final VerificationStatus status, final long begin) {
        return simulation.now() - status.ageNanos() - status.nanos() >= begin;
    }

    /** One comes about, though the link may be cut yet. */
    private void checkpoint() {
        final boolean[] isMade = new boolean[1];
        simulation.runUntil("it is linked", WHILE_NANOS, this::isLinked);
        primary.execute(group -> group.checkpoint().thenRun(() -> isMade[0] = true));
        simulation.runUntil("a checkpoint is made", WHILE_NANOS, () -> isMade[0]);
    }

    @Override
    public void close() {
        primary.close();
        secondary.close();
        guests.close();
        directories.close();
    }
}
