package io.lockstep.simulator;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryOptions;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;

/**
 * A primary, its guests, a secondary and its guests; a manager that seals and commits at random
 * moments; disasters; and at the end a failover, or a link that drains and then a failover.
 *
 * <p>What is checked, and against what: each seal against what the primary's guests may know of the
 * disks at that instant ({@link DiskModel#snapshot}), so that all disks are of one instant; all
 * that the secondary's guests read against the content that the stream had at the last committed
 * seal, with their own writes over it ({@link CheckpointedModel}); what a kill would leave at any
 * instant, and what the failover leaves, against the same; the drained disks against each other.
 */
final class ReplicationScenario implements AutoCloseable {
    private static final long WHILE_NANOS = 600 * Simulation.SECOND;
    private static final int LOG_LENGTH = 8 << 20;
    private static final int SMALL_LOG_LENGTH = 128 << 10;
    private static final long BUFFER_LIMIT = 4 << 20;
    private static final long SMALL_BUFFER_LIMIT = 64 << 10;
    private static final int LENGTH_MAX = 64 << 10;

    /** How likely it is, whenever the secondary submits an operation, that it might be killed. */
    private static final double CHECK_AT_SUBMIT = 0.002;

    private final Simulation simulation;
    private final Dice dice;
    private final ReplicationTrouble trouble;
    private final SimulatedNetwork network;
    private final SimulatedHost guestHost;
    private final BufferDirectories directories = new BufferDirectories();
    private final List<ReplicatedDisk> disks = new ArrayList<>();
    private final List<NbdGuest> primaryGuests = new ArrayList<>();
    private final List<NbdGuest> secondaryGuests = new ArrayList<>();
    private final PrimarySide primary;
    private final SecondarySide secondary;
    private PrimarySide rival;
    private boolean isManaged = true;

    /** A primary that was started again is linked. */
    private boolean isTakenBack;

    private boolean isOver;
    private boolean checksEveryEvent;
    private boolean isParted;

    /** Where the primary answers at levels that are chosen, and change. */
    private final Optional<PairPromises> promises;

    private enum PrimaryEnd {
        ALIVE,
        KILLED,
        CRASHED,
        PARTED
    }

    /** A story in which the primary answers by itself. */
    ReplicationScenario(final Simulation simulation, final ReplicationTrouble trouble) {
        this(simulation, trouble, Optional.empty(), false);
    }

    /** The same with several disks, whose streams the secondary takes on loops of their own. */
    static ReplicationScenario onLoops(
            final Simulation simulation, final ReplicationTrouble trouble) {
        return new ReplicationScenario(simulation, trouble, Optional.empty(), true);
    }

    /**
     * The same.
     *
     * @param counts of what is promised, where it answers at levels that are chosen, and change
     */
    ReplicationScenario(
            final Simulation simulation,
            final ReplicationTrouble trouble,
            final Optional<PromiseCounts> counts) {
        this(simulation, trouble, counts, false);
    }

    private ReplicationScenario(
            final Simulation simulation,
            final ReplicationTrouble trouble,
            final Optional<PromiseCounts> counts,
            final boolean isOnLoops) {
        this.simulation = simulation;
        this.trouble = trouble;
        dice = simulation.dice().split();
        network =
                new SimulatedNetwork(
                        simulation,
                        dice.chance(0.2)
                                ? NetworkFaults.NONE.buffering(100, 5000)
                                : NetworkFaults.NONE);
        guestHost = new SimulatedHost(network, "guests");
        for (int i = isOnLoops ? dice.between(2, 4) : dice.between(1, 3); i > 0; i--) {
            disks.add(makeDisk("disk" + i));
        }
        promises = counts.map(all -> new PairPromises(disks, all));
        primary = makePrimary("primary");
        promises.ifPresent(primary::promise);
        if (isOnLoops && dice.chance(0.7)) {
            primary.beOnLoops();
        }
        secondary =
                new SecondarySide(
                        network,
                        disks,
                        directories,
                        trouble.smallBuffers() ? SMALL_BUFFER_LIMIT : BUFFER_LIMIT,
                        trouble.isCalmForReplication(),
                        isOnLoops);
        simulation.observe(this::observe);
        disks.forEach(disk -> disk.secondaryMedium().onSubmit(this::onSubmit));
    }

    /** Looks after every single event at what a kill would leave. */
    void checkAfterEveryEvent() {
        checksEveryEvent = true;
    }

    private ReplicatedDisk makeDisk(final String name) {
        final boolean isEmpty = dice.chance(0.2);
        final long length = dice.between(1, dice.chance(0.6) ? 60_000 : 400_000);
        final GuestDisk disk =
                new GuestDisk(
                        simulation,
                        new SimulatedMedium(simulation, name, length, chooseFaults()),
                        !isEmpty);
        return new ReplicatedDisk(
                simulation,
                disk,
                new SimulatedMedium(simulation, name, length, chooseFaults()),
                trouble.secondaryDiskFails() || trouble.smallBuffers());
    }

    private DiskFaults chooseFaults() {
        final DiskFaults faults =
                dice.chance(0.5)
                        ? DiskFaults.NONE
                        : DiskFaults.NONE.immediately(dice.oneOf(0.0, 0.8, 1.0));
        return dice.chance(0.7) ? faults : faults.withoutFastZero();
    }

    private PrimarySide makePrimary(final String name) {
        return new PrimarySide(
                network,
                name,
                disks,
                new PrimaryOptions(
                                trouble.smallLog() ? SMALL_LOG_LENGTH : LOG_LENGTH,
                                trouble.detaches() ? FullLogPolicy.DETACH : FullLogPolicy.BLOCK,
                                Word.AT_FIRST,
                                PrimaryOptions.LAG_LEARNED)
                        .withAck(promises.isPresent() ? Promises.choose(dice) : AckLevel.LOCAL),
                dice.chance(0.7),
                !trouble.primaryDiskFails() && !(trouble.smallLog() && trouble.detaches()));
    }

    // ---- The story.

    void play() {
        begin();
        if (dice.chance(0.4)) {
            endInPeace();
        } else {
            endInDisaster();
        }
        takeOver();
    }

    /** Replication starts; then the guests do, and what goes wrong. */
    private void begin() {
        secondary.start();
        simulation.runUntil("the secondary waits", WHILE_NANOS, secondary::isRunning);
        primary.start();
        final boolean[] started = new boolean[1];
        primary.execute(
                group ->
                        group.start()
                                .whenComplete(
                                        (done, error) -> {
                                            if (error != null) {
                                                simulation.fail(error);
                                            }
                                            started[0] = true;
                                        }));
        simulation.runUntil("replication is started", WHILE_NANOS, () -> started[0]);
        final boolean mayOverlap = dice.chance(0.4);
        for (int i = dice.between(1, 4); i > 0; i--) {
            final ReplicatedDisk disk = chooseDisk();
            final NbdGuest.Habits habits =
                    new NbdGuest.Habits(dice.between(5, 60), 8, LENGTH_MAX, 9000, mayOverlap);
            primaryGuests.add(
                    new NbdGuest(
                            guestHost.loop("guest" + i),
                            primary.guestEndpoint(),
                            disk.primary(),
                            habits));
        }
        for (int i = dice.between(1, 3); i > 0; i--) {
            final ReplicatedDisk disk = chooseDisk();
            final NbdGuest.Habits habits =
                    new NbdGuest.Habits(
                            dice.between(5, 60), 6, LENGTH_MAX, 9000, mayOverlap, dice.chance(0.4));
            secondaryGuests.add(
                    new NbdGuest(
                            guestHost.loop("other" + i),
                            SecondarySide.GUEST,
                            disk.secondary(),
                            habits));
        }
        primaryGuests.forEach(NbdGuest::start);
        secondaryGuests.forEach(NbdGuest::start);
        planTrouble();
        manage();
    }

    private ReplicatedDisk chooseDisk() {
        return disks.get(dice.between(0, disks.size() - 1));
    }

    /** All is served, and the link drains: both sides are equal (I2). */
    private void endInPeace() {
        simulation.runUntil(
                "the primary's guests are served",
                WHILE_NANOS,
                () -> primaryGuests.stream().allMatch(NbdGuest::isGone));
        isManaged = false;
        heal();
        final boolean[] isDrained = new boolean[1];
        primary.execute(group -> group.drain(() -> isDrained[0] = true));
        simulation.runUntil(
                "the stream has drained",
                WHILE_NANOS,
                () -> secondary.isUp() && (hasGivenUp() || isDrained[0] && isLogEmpty()));
        if (hasGivenUp()) {
            requireReasonToGiveUp();
            return;
        }
        disks.forEach(ReplicatedDisk::checkConverged);
        final long[] epoch = new long[1];
        checkpointAtLast(made -> epoch[0] = made);
        simulation.runUntil(
                "the last checkpoint is done",
                WHILE_NANOS,
                () -> epoch[0] > 0 || secondary.isUp() && hasGivenUp());
        if (epoch[0] == 0) { // a disk may fail as late as that
            requireReasonToGiveUp();
            return;
        }
        if (secondary.committed() < epoch[0]) {
            throw new AssertionError("checkpoint " + epoch[0] + " is not there");
        }
        disks.forEach(ReplicatedDisk::checkConverged);
    }

    /** A long write of a guest that has gone may still go on, piece by piece. */
    private boolean isLogEmpty() {
        return primary.status().lagNanos() == 0; // a payload that nobody sends is no change
    }

    private void requireReasonToGiveUp() {
        if (trouble.isCalmForReplication() && !trouble.primaryDiskFails()) {
            throw new AssertionError(
                    "replication has met an error: " + primary.error() + secondary.status());
        }
    }

    /** A secondary that is being started again is waited for; not by the one checkpoint. */
    private void checkpointAtLast(final LongConsumer whenMade) {
        primary.execute(
                group ->
                        group.checkpoint()
                                .whenComplete(
                                        (epoch, error) -> {
                                            if (error == null) {
                                                whenMade.accept(epoch);
                                            } else if (group.status().linked()) {
                                                simulation.fail(error);
                                            } else {
                                                simulation.schedule(
                                                        100 * Simulation.MILLISECOND,
                                                        () -> checkpointAtLast(whenMade));
                                            }
                                        }));
    }

    private boolean hasGivenUp() {
        return primary.hasHeard(GroupEvents.Event.DETACHED)
                || primary.status().state() == GroupStatus.State.BROKEN
                || secondary.status().state() == GroupStatus.State.BROKEN;
    }

    /** Something happens to the primary at a random moment. */
    private void endInDisaster() {
        final boolean[] isTime = new boolean[1];
        if (dice.chance(0.3)) {
            simulation.schedule(
                    dice.between(0, 100 * Simulation.MILLISECOND), () -> isTime[0] = true);
        } else {
            simulation.scheduleAfterEvents(dice.between(1, 6000), () -> isTime[0] = true);
        }
        simulation.runUntil(
                "it is time",
                WHILE_NANOS,
                () ->
                        isTime[0]
                                || primaryGuests.stream().allMatch(NbdGuest::isGone)
                                        && secondaryGuests.stream().allMatch(NbdGuest::isGone));
        isManaged = dice.chance(0.5);
        final PrimaryEnd end = dice.oneOf(PrimaryEnd.values());
        switch (end) {
            case ALIVE -> {}
            case KILLED -> primary.kill();
            case CRASHED -> primary.crash();
            case PARTED -> part();
        }
        if (!primary.isUp()) {
            simulation.schedule(
                    dice.between(0, 300 * Simulation.MILLISECOND), this::startPrimaryAgain);
        }
        if (dice.chance(0.5)) {
            simulation.runFor(dice.between(0, 20 * Simulation.MILLISECOND));
        }
    }

    /** Where the secondary has not taken over yet, it heals: a story that the lives tell. */
    private void startPrimaryAgain() {
        primary.start();
        primary.execute(group -> group.start().thenRun(() -> isTakenBack = true));
    }

    /** The secondary takes over; it may be killed in the midst of that (I1, I9). */
    private void takeOver() {
        simulation.runUntil("the secondary is up", WHILE_NANOS, secondary::isUp);
        if (isTakenBack) {
            return;
        }
        secondary.failOver();
        for (int i = dice.chance(0.4) ? dice.between(1, 3) : 0; i > 0; i--) {
            simulation.scheduleAfterEvents(
                    dice.between(1, dice.oneOf(20, 500)), this::killSecondary);
        }
        simulation.runUntil(
                "the guest is served by the secondary", WHILE_NANOS, secondary::hasFailedOver);
        disks.forEach(disk -> disk.secondaryMedium().failWhen((kind, offset, length) -> 0));
        isManaged = false;
        simulation.runUntil("the primary is up", WHILE_NANOS, primary::isUp);
        primary.execute(group -> group.stop(true));
        simulation.runUntil(
                "all guests are served",
                WHILE_NANOS,
                () ->
                        primaryGuests.stream().allMatch(NbdGuest::isGone)
                                && secondaryGuests.stream().allMatch(NbdGuest::isGone));
        simulation.runUntil("the merge is done", WHILE_NANOS, secondary::isAlone);
        isOver = true;
        disks.forEach(disk -> disk.checkFailedOver(disk.secondaryMedium()));
        disks.forEach(disk -> disk.primary().onRest());
        primary.crash();
    }

    // ---- The manager.

    private void manage() {
        if (isOver) {
            return;
        }
        if (isManaged && primary.isUp()) {
            primary.execute(this::decide);
        }
        simulation.schedule(dice.between(0, 20 * Simulation.MILLISECOND), this::manage);
    }

    private void decide(final PrimaryGroup group) {
        final GroupStatus status = group.status();
        if (status.state() != GroupStatus.State.RUNNING) {
            return;
        }
        if (promises.isPresent() && dice.chance(0.1)) {
            final AckLevel level = Promises.chooseAny(dice);
            promises.get().level(level);
            group.acknowledgeAt(level);
        }
        switch (dice.between(0, 5)) {
            case 0, 1 -> watch(group.checkpoint());
            case 2, 3 -> group.seal();
            case 4 ->
                    group.commit(
                            dice.between(
                                    status.committedEpoch(),
                                    Math.max(status.committedEpoch(), status.sealedEpoch())));
            default -> secondary.commitWhatIsSealed();
        }
    }

    /** A checkpoint that is done is done on the secondary. */
    private void watch(final CompletableFuture<Long> checkpoint) {
        checkpoint.thenAccept(
                epoch -> {
                    if (secondary.committed() < epoch
                            && (!secondary.isUp() || secondary.status().committedEpoch() < epoch)) {
                        simulation.fail(
                                new AssertionError("checkpoint " + epoch + " is not there"));
                    }
                });
    }

    // ---- What goes wrong.

    private void planTrouble() {
        for (int i = trouble.cuts(); i > 0; i--) {
            sometime(() -> network.cut(primary.host(), secondary.host()));
        }
        for (int i = trouble.partitions(); i > 0; i--) {
            sometime(
                    () -> {
                        part();
                        simulation.schedule(dice.between(0, 30 * Simulation.SECOND), this::join);
                    });
        }
        for (int i = trouble.secondaryKills(); i > 0; i--) {
            sometime(this::killSecondary);
        }
        for (int i = dice.between(0, 3); i > 0; i--) {
            sometime(secondary::checkWhatIfKilled);
        }
        if (trouble.networkBreaks()) {
            network.faults(
                    network.faults()
                            .breaking(
                                    dice.chance(0.5) ? 0.1 : 0,
                                    0.005,
                                    dice.chance(0.3) ? 0.001 : 0));
        }
        if (trouble.primaryDiskFails()) {
            disks.forEach(disk -> disk.primary().fail(dice.oneOf(0.01, 0.1)));
        }
        if (trouble.secondaryDiskFails()) {
            sometime(this::failSecondaryDisks);
        }
        if (trouble.rival()) {
            sometime(this::startRival);
        }
    }

    private void sometime(final Runnable action) {
        final Runnable unlessOver =
                () -> {
                    if (!isOver) {
                        action.run();
                    }
                };
        if (dice.chance(0.3)) {
            simulation.schedule(dice.between(0, 100 * Simulation.MILLISECOND), unlessOver);
        } else {
            simulation.scheduleAfterEvents(dice.between(1, 5000), unlessOver);
        }
    }

    private void failSecondaryDisks() {
        final double probability = dice.oneOf(0.01, 0.1);
        disks.forEach(
                disk ->
                        disk.secondaryMedium()
                                .failWhen(
                                        (kind, offset, length) ->
                                                kind != DiskOperation.PREFETCH
                                                                && dice.chance(probability)
                                                        ? dice.oneOf(Errno.EIO, Errno.ENOSPC)
                                                        : 0));
    }

    private void killSecondary() {
        if (isOver || !secondary.isUp() || secondary.isAlone()) {
            return;
        }
        secondary.kill();
        simulation.schedule(dice.between(0, 300 * Simulation.MILLISECOND), secondary::start);
    }

    private void part() {
        if (!isParted) {
            isParted = true;
            network.partition(primary.host(), secondary.host());
        }
    }

    private void join() {
        if (isParted) {
            isParted = false;
            network.heal(primary.host(), secondary.host());
        }
    }

    private void heal() {
        join();
        network.faults(NetworkFaults.NONE);
    }

    /** Another primary is told to replicate to the same secondary, which has one. */
    private void startRival() {
        if (rival != null || !secondary.isUp() || secondary.hasFailedOver()) {
            return;
        }
        rival = makePrimary("rival");
        rival.start();
        rival.execute(
                group ->
                        group.start()
                                .whenComplete(
                                        (done, error) -> {
                                            if (error == null) {
                                                simulation.fail(
                                                        new AssertionError(
                                                                "two primaries for a secondary"));
                                            }
                                        }));
    }

    // ---- What is looked at.

    private void observe() {
        secondary.observe();
        promises.ifPresent(made -> made.observe(secondary.committed(), secondary.hasFailedOver()));
        if (checksEveryEvent && !isOver) {
            secondary.checkWhatIfKilledNow();
        }
    }

    /** In the midst of what the secondary does. */
    private void onSubmit() {
        if (!isOver && (checksEveryEvent || dice.chance(CHECK_AT_SUBMIT))) {
            secondary.checkWhatIfKilled();
        }
    }

    /** Gives back memory and files, however the story ended. */
    @Override
    public void close() {
        simulation.observe(() -> {});
        isOver = true;
        try {
            primaryGuests.forEach(NbdGuest::close);
            secondaryGuests.forEach(NbdGuest::close);
            primary.close();
            if (rival != null) {
                rival.close();
            }
            secondary.close();
        } finally {
            directories.close();
        }
    }
}
