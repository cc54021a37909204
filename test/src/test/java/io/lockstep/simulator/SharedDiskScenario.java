package io.lockstep.simulator;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.LostLinkPolicy;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryOptions;

import java.util.ArrayList;
import java.util.List;

/**
 * A pair that shares its disks: one medium each, which both hosts have open. Guests on both sides,
 * a manager that seals and commits at random moments, disasters, and at the end a fenced primary
 * and a failover; or everything is served, and checkpointed.
 *
 * <p>What is checked, and against what: what a failover at the moment of a commit would leave,
 * against what the primary's guests may know of the disks at the seal; what it would leave at any
 * later moment, and what the secondary's guests read, against that, with their own writes over it;
 * what the failover leaves in the end against the same; that the secondary writes nothing before,
 * and that nothing but a fenced primary, and a checkpoint, lets it take over.
 */
final class SharedDiskScenario implements AutoCloseable {
    private static final long WHILE_NANOS = 600 * Simulation.SECOND;
    private static final int LOG_LENGTH = 1 << 20;
    private static final long BUFFER_LIMIT = 4 << 20;
    private static final long SMALL_BUFFER_LIMIT = 64 << 10;
    private static final int LENGTH_MAX = 64 << 10;

    /** How likely it is, whenever somebody submits an operation, that it is looked at a kill. */
    private static final double CHECK_AT_SUBMIT = 0.002;

    /** How likely it is that a checkpoint is looked at when it is made. */
    private static final double JUDGED_AT_ONCE = 0.1;

    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedNetwork network;
    private final SimulatedHost guestHost;
    private final BufferDirectories directories = new BufferDirectories();
    private final List<SharedReplicatedDisk> disks = new ArrayList<>();
    private final List<NbdGuest> primaryGuests = new ArrayList<>();
    private final List<NbdGuest> secondaryGuests = new ArrayList<>();
    private final PrimarySide primary;
    private final SharedSecondarySide secondary;

    /** Whether the primary goes on without its secondary, which has no checkpoint then. */
    private final boolean goesOn;

    private final boolean secondaryFails;
    private final boolean hasSmallBuffers;
    private final boolean primaryFails;
    private boolean hasSecondaryGuests;
    private boolean isManaged = true;
    private boolean isParted;
    private boolean isOver;

    SharedDiskScenario(final Simulation simulation) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        goesOn = dice.chance(0.25);
        secondaryFails = dice.chance(0.1);
        hasSmallBuffers = dice.chance(0.1);
        primaryFails = dice.chance(0.15);
        network =
                new SimulatedNetwork(
                        simulation,
                        dice.chance(0.2)
                                ? NetworkFaults.NONE.buffering(100, 5000)
                                : NetworkFaults.NONE);
        guestHost = new SimulatedHost(network, "guests");
        for (int i = dice.between(1, 2); i > 0; i--) {
            disks.add(makeDisk("disk" + i));
        }
        primary =
                new PrimarySide(
                        network,
                        "primary",
                        List.copyOf(disks),
                        new PrimaryOptions(
                                        LOG_LENGTH,
                                        FullLogPolicy.BLOCK,
                                        Word.NONE,
                                        PrimaryOptions.LAG_LEARNED)
                                .withLostLink(
                                        goesOn ? LostLinkPolicy.CONTINUE : LostLinkPolicy.SUSPEND)
                                .sharing(),
                        dice.chance(0.7),
                        !primaryFails);
        secondary =
                new SharedSecondarySide(
                        network,
                        disks,
                        directories,
                        hasSmallBuffers ? SMALL_BUFFER_LIMIT : BUFFER_LIMIT,
                        !secondaryFails && !hasSmallBuffers,
                        () -> primary.node().standing() != Standing.ALONE,
                        () -> hasSecondaryGuests || dice.chance(JUDGED_AT_ONCE));
        simulation.observe(this::observe);
        disks.forEach(disk -> disk.secondaryMedium().onSubmit(this::onSubmit));
    }

    private SharedReplicatedDisk makeDisk(final String name) {
        final long length = dice.between(1, dice.chance(0.6) ? 60_000 : 400_000);
        final DiskFaults faults =
                dice.chance(0.5)
                        ? DiskFaults.NONE
                        : DiskFaults.NONE.immediately(dice.oneOf(0.0, 0.8, 1.0));
        return new SharedReplicatedDisk(
                simulation,
                new GuestDisk(
                        simulation,
                        new SimulatedMedium(simulation, name, length, faults),
                        dice.chance(0.8)),
                secondaryFails || hasSmallBuffers);
    }

    // ---- The story.

    void play() {
        begin();
        if (dice.chance(0.3) && !secondaryFails && !hasSmallBuffers) {
            endInPeace();
        }
        endInDisaster();
    }

    /** The first checkpoint is made, perhaps under way of the guests; then they begin. */
    private void begin() {
        final boolean isPrimaryFirst = goesOn && dice.chance(0.3);
        if (isPrimaryFirst) {
            startPrimary();
            startPrimaryGuests();
            simulation.runFor(dice.between(0, 300 * Simulation.MILLISECOND));
        }
        secondary.start();
        if (!isPrimaryFirst) {
            simulation.runUntil("the secondary waits", WHILE_NANOS, secondary::isRunning);
            startPrimary();
        }
        if (!isPrimaryFirst && dice.chance(0.5)) {
            startPrimaryGuests();
        }
        simulation.runUntil(
                "there is a first checkpoint", WHILE_NANOS, () -> secondary.checkpoint() > 0);
        if (primaryGuests.isEmpty()) {
            startPrimaryGuests();
        }
        if (!goesOn) {
            startSecondaryGuests(); // else there are times when they see a disk that changes
        }
        planTrouble();
        manage();
    }

    private void startPrimary() {
        primary.start();
        primary.execute(PrimaryGroup::start);
    }

    private void startPrimaryGuests() {
        final boolean mayOverlap = dice.chance(0.4);
        final boolean mayStream = dice.chance(0.3);
        for (int i = dice.between(1, 4); i > 0; i--) {
            final NbdGuest.Habits habits =
                    new NbdGuest.Habits(dice.between(5, 80), 8, LENGTH_MAX, 9000, mayOverlap);
            final NbdGuest guest =
                    new NbdGuest(
                            guestHost.loop("guest" + i),
                            primary.guestEndpoint(),
                            chooseDisk().primary(),
                            mayStream && dice.chance(0.7) ? habits.streaming() : habits);
            primaryGuests.add(guest);
            guest.start();
        }
    }

    private void startSecondaryGuests() {
        final boolean mayOverlap = dice.chance(0.4);
        final int count = dice.chance(0.6) ? 0 : dice.between(1, 2);
        hasSecondaryGuests = count > 0;
        secondary.judge();
        for (int i = count; i > 0; i--) {
            final NbdGuest guest =
                    new NbdGuest(
                            guestHost.loop("other" + i),
                            SecondarySide.GUEST,
                            chooseDisk().secondary(),
                            new NbdGuest.Habits(
                                    dice.between(5, 60),
                                    6,
                                    LENGTH_MAX,
                                    9000,
                                    mayOverlap,
                                    dice.chance(0.7)));
            secondaryGuests.add(guest);
            guest.start();
        }
    }

    private SharedReplicatedDisk chooseDisk() {
        return disks.get(dice.between(0, disks.size() - 1));
    }

    /** All is served, and a last checkpoint has all of it (I5, I10). */
    private void endInPeace() {
        simulation.runUntil(
                "the primary's guests are served",
                WHILE_NANOS,
                () -> primaryGuests.stream().allMatch(NbdGuest::isGone));
        isManaged = false;
        join();
        network.faults(NetworkFaults.NONE);
        final long[] epoch = new long[1];
        checkpointAtLast(epoch);
        simulation.runUntil(
                "the last checkpoint is done",
                WHILE_NANOS,
                () -> epoch[0] > 0 && secondary.checkpoint() >= epoch[0]);
        secondary.judge();
        if (secondaryGuests.isEmpty()) {
            disks.forEach(disk -> disk.checkFailedOver(disk.secondaryMedium()));
        }
    }

    private void checkpointAtLast(final long[] epoch) {
        primary.execute(
                group ->
                        group.checkpoint()
                                .whenComplete(
                                        (made, error) -> {
                                            if (error == null) {
                                                epoch[0] = made;
                                            } else {
                                                simulation.schedule(
                                                        100 * Simulation.MILLISECOND,
                                                        () -> checkpointAtLast(epoch));
                                            }
                                        }));
    }

    /** Something happens to the primary at a random moment, and it is fenced. */
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
                () -> isTime[0] || primaryGuests.stream().allMatch(NbdGuest::isGone));
        isManaged = false;
        if (dice.chance(0.3)) {
            part();
            simulation.runFor(dice.between(0, 8 * Simulation.SECOND));
        }
        primary.kill();
        isParted = true; // nobody need join it
        simulation.runUntil("the secondary is up", WHILE_NANOS, secondary::isUp);
        simulation.runFor(dice.between(0, 20 * Simulation.MILLISECOND));
        simulation.runUntil("the secondary is up", WHILE_NANOS, secondary::isUp);
        takeOver();
    }

    /** Nobody may who does not know that the primary is fenced, or has no checkpoint (I11). */
    private void takeOver() {
        final boolean mayTakeOver = secondary.node().standing() == Standing.FOLLOWING && !goesOn;
        requireRefusal(false);
        if (!mayTakeOver) {
            requireRefusal(true);
            isOver = true;
            return;
        }
        secondary.judge();
        disks.forEach(disk -> disk.failReads(0));
        disks.forEach(disk -> disk.secondaryMedium().failWhen((kind, offset, length) -> 0));
        secondary.failOver();
        for (int i = dice.chance(0.4) ? dice.between(1, 3) : 0; i > 0; i--) {
            simulation.scheduleAfterEvents(
                    dice.between(1, dice.oneOf(20, 500)), this::killSecondary);
        }
        simulation.runUntil(
                "the guest is served by the secondary, or it is rightly refused",
                WHILE_NANOS,
                () -> secondary.hasFailedOver() || secondary.isRefused());
        if (secondary.isRefused()) {
            isOver = true;
            return;
        }
        simulation.runUntil(
                "the secondary's guests are served",
                WHILE_NANOS,
                () -> secondaryGuests.stream().allMatch(NbdGuest::isGone));
        simulation.runUntil("the merge is done", WHILE_NANOS, secondary::isAlone);
        isOver = true;
        disks.forEach(disk -> disk.checkFailedOver(disk.secondaryMedium()));
    }

    private void requireRefusal(final boolean isFenced) {
        final boolean[] isDone = new boolean[1];
        secondary.execute(
                group -> {
                    if (isFenced) {
                        group.fenced();
                    }
                    group.failOver(false)
                            .whenComplete(
                                    (done, refused) -> {
                                        isDone[0] = true;
                                        if (refused == null) {
                                            simulation.fail(
                                                    new AssertionError("it has taken over"));
                                        }
                                    });
                });
        simulation.runUntil("it is refused", WHILE_NANOS, () -> isDone[0] || !secondary.isUp());
        simulation.runUntil("the secondary is up", WHILE_NANOS, secondary::isUp);
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
        switch (dice.between(0, 4)) {
            case 0, 1 -> group.checkpoint();
            case 2, 3 -> group.seal();
            default ->
                    group.commit(
                            dice.between(
                                    status.committedEpoch(),
                                    Math.max(status.committedEpoch(), status.sealedEpoch())));
        }
    }

    // ---- What goes wrong.

    private void planTrouble() {
        for (int i = dice.chance(0.3) ? dice.between(1, 3) : 0; i > 0; i--) {
            sometime(() -> network.cut(primary.host(), secondary.host()));
        }
        if (dice.chance(0.2)) {
            sometime(
                    () -> {
                        part();
                        simulation.schedule(dice.between(0, 10 * Simulation.SECOND), this::join);
                    });
        }
        for (int i = dice.chance(0.4) ? dice.between(1, 3) : 0; i > 0; i--) {
            sometime(this::killSecondary);
        }
        for (int i = dice.between(0, 3); i > 0; i--) {
            sometime(secondary::checkWhatIfKilled);
        }
        if (dice.chance(0.1)) {
            network.faults(
                    network.faults()
                            .breaking(
                                    dice.chance(0.5) ? 0.1 : 0,
                                    0.005,
                                    dice.chance(0.3) ? 0.001 : 0));
        }
        if (primaryFails) {
            sometime(this::failChanges);
        }
        if (secondaryFails) {
            sometime(() -> disks.forEach(disk -> disk.failReads(dice.oneOf(0.01, 0.1))));
        }
    }

    private void failChanges() {
        final double probability = dice.oneOf(0.01, 0.1);
        disks.forEach(
                disk ->
                        disk.secondaryMedium()
                                .failWhen(
                                        (kind, offset, length) ->
                                                (kind == DiskOperation.WRITE
                                                                        || kind
                                                                                == DiskOperation
                                                                                        .ZERO)
                                                                && dice.chance(probability)
                                                        ? dice.oneOf(Errno.EIO, Errno.ENOSPC)
                                                        : 0));
    }

    private void sometime(final Runnable action) {
        final Runnable unlessOver =
                () -> {
                    if (!isOver && primary.isUp()) {
                        action.run();
                    }
                };
        if (dice.chance(0.3)) {
            simulation.schedule(dice.between(0, 100 * Simulation.MILLISECOND), unlessOver);
        } else {
            simulation.scheduleAfterEvents(dice.between(1, 5000), unlessOver);
        }
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
        if (isParted && primary.isUp()) {
            isParted = false;
            network.heal(primary.host(), secondary.host());
        }
    }

    // ---- What is looked at.

    private void observe() {
        secondary.observe();
    }

    private void onSubmit() {
        if (!isOver && dice.chance(CHECK_AT_SUBMIT)) {
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
            secondary.close();
        } finally {
            directories.close();
        }
    }
}
