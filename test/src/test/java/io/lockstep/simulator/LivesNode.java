package io.lockstep.simulator;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.OwnStance;
import io.lockstep.engine.node.Reigns;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.LostLinkPolicy;
import io.lockstep.engine.secondary.SecondaryOptions;
import io.lockstep.engine.state.StateFile;
import io.lockstep.engine.tracking.ActivityLimits;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionException;

/**
 * A host and the half of a pair on it, through all of its lives: disks, state, buffers, boots, and
 * the process that runs there now, if one does.
 */
final class LivesNode {
    private static final int PORT = 10809;
    private static final long LIMIT = 256 << 10;
    private static final long SMALL_LIMIT = 64 << 10;

    /** Regions of a block, few of which are hot at a time: they enter and leave all the time. */
    private static final ActivityLimits NOTES = new ActivityLimits(12, 4, 1);

    /** Too little for what a synchronisation overwrites, most often. */
    private static final long TINY_LIMIT = 8 << 10;

    /** With what a process is started. */
    record Arguments(
            boolean isPrimary,
            Word word,
            boolean hasOtherDisk,
            boolean isSmall,
            boolean isFormer,
            FullLogPolicy log) {
        /** What a secondary has for pre-images. */
        enum Room {
            AMPLE,
            TINY,
            TINY_WITH_SPILL
        }

        static final Arguments SECONDARY =
                new Arguments(false, Word.NONE, false, false, false, FullLogPolicy.BLOCK);

        /** Of a node that was the primary until its peer took over. */
        static final Arguments FORMER_PRIMARY =
                new Arguments(false, Word.NONE, false, false, true, FullLogPolicy.BLOCK);

        static Arguments primary(final Word word) {
            return new Arguments(true, word, false, false, false, FullLogPolicy.AHEAD);
        }

        Arguments onOtherDisk() {
            return new Arguments(isPrimary, word, true, isSmall, isFormer, log);
        }

        Arguments small() {
            return new Arguments(
                    isPrimary, word, hasOtherDisk, true, isFormer, FullLogPolicy.DETACH);
        }
    }

    private final Simulation simulation;
    private final SimulatedHost host;
    private final Dice dice;
    private final BufferDirectories directories;
    private final LivesReached reached;
    private final SimulatedState state;
    private final Reigns reigns;
    private final List<LivesDisk> disks;
    private final List<LivesProcess> gone = new ArrayList<>();
    private final LivesPromises promises;
    private final LivesJudge judge;
    private LivesNode peer;
    private Path buffers;
    private Path spill;
    private Arguments.Room room = Arguments.Room.AMPLE;
    private long boot = 1;

    /** What is noted of changes; and where that is kept. */
    private Tracking tracking;

    private final SimulatedTracking notes;

    private LivesProcess process;

    /** Acknowledged by this host's guest since both were known to be equal. */
    private int acknowledged;

    /** For whom somebody has said that what it has acknowledged is given up; none where nobody. */
    private Id givenUpFor = Id.NONE;

    private boolean isRestored;
    private boolean switchesRoles;
    private LostLinkPolicy lostLink = LostLinkPolicy.CONTINUE;
    private boolean shares;

    /** How it was told to take over, where nobody has looked yet at what came of it, or null. */
    private Takeover takeover;

    private LivesPrimary linkedTo;

    /** Whether the host lost its power in the midst of a merge. */
    private boolean isMergeLost;

    /** Whether a merge was under way when the process ended. */
    private boolean wasMerging;

    LivesNode(
            final SimulatedNetwork network,
            final String name,
            final List<SimulatedMedium> media,
            final BufferDirectories directories,
            final LivesReached reached,
            final LivesJudge judge) {
        simulation = network.simulation();
        dice = simulation.dice().split();
        host = new SimulatedHost(network, name);
        this.directories = directories;
        this.reached = reached;
        this.judge = judge;
        state = new SimulatedState(simulation, name);
        reigns = new Reigns(new Random(dice.any()), () -> simulation.now() / Simulation.SECOND);
        disks = media.stream().map(LivesDisk::new).toList();
        notes =
                new SimulatedTracking(
                        simulation,
                        disks.stream().map(disk -> disk.medium().length()).toList(),
                        NOTES);
        promises = new LivesPromises(this);
        buffers = directories.fresh();
        spill = directories.fresh();
    }

    void peer(final LivesNode other) {
        peer = other;
    }

    /** Its processes are those of {@code lockstep node}, which switch their roles. */
    void switchRoles() {
        switchesRoles = true;
    }

    /** What it does as a primary whose link is lost. */
    void lostLink(final LostLinkPolicy policy) {
        lostLink = policy;
    }

    LostLinkPolicy lostLink() {
        return lostLink;
    }

    /** Its disks are its peer's, too. */
    void share() {
        shares = true;
    }

    boolean shares() {
        return shares;
    }

    boolean switchesRoles() {
        return switchesRoles;
    }

    // ---- What others ask.

    Simulation simulation() {
        return simulation;
    }

    SimulatedHost host() {
        return host;
    }

    LivesNode peer() {
        return peer;
    }

    Dice dice() {
        return dice;
    }

    LivesReached reached() {
        return reached;
    }

    SimulatedState state() {
        return state;
    }

    Tracking tracking() {
        return tracking;
    }

    SimulatedTracking notes() {
        return notes;
    }

    LivesPromises promises() {
        return promises;
    }

    LivesJudge judge() {
        return judge;
    }

    List<LivesDisk> disks() {
        return disks;
    }

    Endpoint endpoint() {
        return new Endpoint.Tcp(host.name(), PORT);
    }

    boolean isUp() {
        return process != null;
    }

    /** The process that runs; null for none. */
    LivesProcess process() {
        return process;
    }

    Optional<LivesPrimary> primary() {
        return process instanceof LivesPrimary primary ? Optional.of(primary) : Optional.empty();
    }

    Optional<LivesSecondary> secondary() {
        return process instanceof LivesSecondary secondary
                ? Optional.of(secondary)
                : Optional.empty();
    }

    /** What is recorded, and would be found now; empty for nothing. */
    Optional<NodeRecord> record() {
        try {
            return StateFile.over(state).load();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The primary process that ran last, or runs. */
    Optional<LivesPrimary> lastPrimary() {
        if (process instanceof LivesPrimary primary) {
            return Optional.of(primary);
        }
        for (int i = gone.size() - 1; i >= 0; i--) {
            if (gone.get(i) instanceof LivesPrimary primary) {
                return Optional.of(primary);
            }
        }
        return Optional.empty();
    }

    int acknowledged() {
        return acknowledged;
    }

    // ---- What its guest hears.

    void onAcknowledged() {
        acknowledged++;
        primary().ifPresent(judge::onAcknowledged);
    }

    /** All that its guest was told is at its peer, which serves it from now on. */
    void hasHandedOver() {
        acknowledged = 0;
        disks.forEach(LivesDisk::checkpointHere);
    }

    /** Its peer has taken over: what its guest was told behind the checkpoint is gone. */
    void isRolledBack() {
        acknowledged = 0;
        disks.forEach(LivesDisk::leave);
        disks.forEach(LivesDisk::forgetCheckpoint);
    }

    /**
     * Somebody has said that what its guest was told is given up for another node: until that makes
     * it equal its disks hold it still, as its checkpoint.
     */
    void giveUpFor(final Id other) {
        givenUpFor = other;
        disks.forEach(LivesDisk::leave);
        disks.forEach(LivesDisk::checkpointHere);
    }

    /** It serves its guest again: what that was told counts. */
    void keepsItsWay() {
        givenUpFor = Id.NONE;
    }

    /** A node makes it equal; what was given up for that one is gone. */
    void isFollowing(final Id primary) {
        if (!givenUpFor.isNone() && givenUpFor.equals(primary)) {
            acknowledged = 0;
        }
        givenUpFor = Id.NONE;
    }

    /** Its guest's disk is the pair's from now on, which begins anew. */
    void startsAnew() {
        acknowledged = 0;
        isRestored = false;
        promises.forget();
        disks.forEach(LivesDisk::forgetCheckpoint);
    }

    /** Whether an old copy of it, or of another one, was put in its place. */
    boolean isRestored() {
        return isRestored;
    }

    /** Somebody has it take over, or end replication. */
    void takeoverIsAsked(final Takeover order) {
        takeover = order;
    }

    /** That was refused, or what came of it has been looked at. */
    void takeoverIsSettled() {
        takeover = null;
    }

    /** How it was told to take over, where nobody has looked at what came of it. */
    Optional<Takeover> takeover() {
        return Optional.ofNullable(takeover);
    }

    /** How likely it is that its state, and what it notes, can't be stored. */
    void failing(final double probability) {
        state.failing(probability);
        notes.failing(probability);
    }

    /** Whether its state can be stored. */
    boolean isSound() {
        return !state.isFailing();
    }

    /** Remembers whom it follows; answers whether it did so before. */
    @SuppressWarnings("ReferenceEquality") // a process equals itself alone
    boolean isLinkedBefore(final LivesPrimary primary) {
        final boolean isSame = linkedTo == primary;
        linkedTo = primary;
        return isSame;
    }

    boolean isMergeLost() {
        return isMergeLost;
    }

    void mergeIsSettled() {
        isMergeLost = false;
    }

    /**
     * An order to take over, or to end replication.
     *
     * @param isReturn whether it is to return to the last checkpoint, if it has one
     */
    record Takeover(boolean isReturn, boolean isForced) {}

    // ---- A process begins.

    /** Starts one; answers why it refused, or nothing. */
    Optional<String> start(final Arguments arguments) {
        if (isUp()) {
            throw new AssertionError(this + " is up");
        }
        final LivesProcess begun =
                arguments.isPrimary() ? new LivesPrimary(this) : new LivesSecondary(this);
        final SimulatedLoop loop = host.loop("loop");
        final String[] refusal = {""};
        loop.run(
                () -> {
                    try {
                        begun.open(loop, open(loop, arguments), arguments);
                        process = begun;
                    } catch (final IOException e) {
                        refusal[0] = e.getMessage();
                    }
                });
        simulation.trace(host.name(), "is started", arguments.isPrimary() ? 1 : 0, boot);
        if (process == null) {
            host.kill();
            state.kill();
            notes.kill();
            simulation.trace(host.name(), "refuses", 0, 0);
            reached.note(refusal[0]);
        } else {
            process.onOpened();
        }
        return process == null ? Optional.of(refusal[0]) : Optional.empty();
    }

    /** As the engine opens its node. */
    private Self open(final SimulatedLoop loop, final Arguments arguments) throws IOException {
        final StateFile file = StateFile.over(state);
        final Id now = new Id(host.name().hashCode(), boot);
        final List<DiskIdentity> identities = identities(arguments.hasOtherDisk());
        final Optional<NodeRecord> found = file.load();
        final NodeRecord before =
                found.orElseGet(() -> NodeRecord.fresh(reigns.name(), now, identities));
        try {
            if (found.isEmpty()) {
                file.write(before);
                state.land();
            }
            final long numberFound = file.number();
            final Node opening =
                    new Node(
                            before,
                            (record, whenStored) -> {
                                final Optional<String> failure = file.tryWrite(record);
                                state.land();
                                whenStored.onStored(failure);
                            });
            opening.open(now, identities).join();
            tracking = notes.open(loop, now);
            return new Self(
                    new Node(opening.record(), file.number(), state.on(file, loop)),
                    reigns,
                    before.isClean(),
                    numberFound,
                    new OwnStance());
        } catch (final CompletionException e) {
            throw new IOException(e.getCause().getMessage(), e);
        }
    }

    private List<DiskIdentity> identities(final boolean areOthers) {
        return disks.stream()
                .map(
                        disk ->
                                new DiskIdentity(
                                        disk.name(),
                                        disk.medium().length(),
                                        areOthers ? "another file" : "its file"))
                .toList();
    }

    Path buffers() {
        return buffers;
    }

    /** Where it keeps its buffers, and how much of them. */
    SecondaryOptions options(final Arguments arguments) {
        return options(arguments, buffers);
    }

    /** The same of a copy of the buffers, as they are at this instant. */
    SecondaryOptions optionsOfCopy(final Arguments arguments) {
        return options(arguments, directories.copy(buffers));
    }

    private SecondaryOptions options(final Arguments arguments, final Path directory) {
        final SecondaryOptions options =
                SecondaryOptions.in(directory, disks.size(), bufferLimit(arguments));
        return room == Arguments.Room.TINY_WITH_SPILL ? options.spillingTo(spill) : options;
    }

    /** What it has for pre-images from now on. */
    void room(final Arguments.Room now) {
        room = now;
    }

    private long bufferLimit(final Arguments arguments) {
        return room != Arguments.Room.AMPLE
                ? TINY_LIMIT
                : arguments.isSmall() ? SMALL_LIMIT : LIMIT;
    }

    // ---- It ends.

    /** {@code kill -9}, or the end of a process that stops. */
    void kill() {
        if (!isUp()) {
            return;
        }
        end();
        if (Files.exists(buffers)) {
            buffers = directories.copy(buffers);
        }
        if (Files.exists(spill)) {
            spill = directories.copy(spill);
        }
        host.kill();
        state.kill();
        notes.kill();
        disks.stream().filter(disk -> disk.view() != null).forEach(disk -> disk.view().settle());
        promises.onEnded();
    }

    /** The power fails. */
    void crash() {
        if (isUp()) {
            end();
            host.crash();
        } else {
            disks.forEach(disk -> disk.medium().onHostCrash());
        }
        state.crash();
        notes.crash();
        boot++;
        buffers =
                Files.exists(buffers) && dice.chance(0.5)
                        ? directories.afterCrash(buffers, dice, Set.of())
                        : directories.fresh();
        if (Files.exists(spill)) {
            spill = directories.afterCrash(spill, dice, Set.of("spill"));
        }
        promises.onEnded();
        peer.promises().onPeerLostPower();
        isMergeLost |= wasMerging;
        disks.stream()
                .filter(disk -> disk.view() != null && !isMergeLost)
                .forEach(shares ? disk -> disk.view().settle() : LivesDisk::findDurable);
        if (disks.stream().allMatch(LivesDisk::isEmpty)) {
            acknowledged = 0; // nobody has flushed anything: there is nothing left to be undone
        }
        final boolean isLeft = record().filter(found -> !found.leftSession().isNone()).isPresent();
        final boolean isSecondary =
                record().filter(found -> found.standing().isSecondary()).isPresent();
        for (final LivesDisk disk : disks) {
            disk.tap().forget();
            if (isLeft && isSecondary) {
                disk.leave(); // it may have handed over in its last moment
            }
            if (isLeft && disk.view() == null && !shares) {
                disk.checkpointHere(); // it has everything, whatever became of the buffers
            } else {
                disk.forgetCheckpoint();
            }
        }
    }

    private void end() {
        wasMerging = process.isMerging();
        process.end();
        gone.add(process);
        process = null;
    }

    // ---- What people do to it while nothing runs.

    /** {@code lockstep state --forget}; answers why it is refused, or nothing. */
    Optional<String> forget() {
        try {
            final StateFile file = StateFile.over(state);
            final Optional<NodeRecord> found = file.load();
            if (found.isEmpty()) {
                return Optional.empty();
            }
            new Node(
                            found.get(),
                            (record, whenStored) -> {
                                final Optional<String> failure = file.tryWrite(record);
                                state.land();
                                whenStored.onStored(failure);
                            })
                    .forget(reigns.name())
                    .join();
            notes.clear();
            takeover = null;
            peer.promises().forget(); // that it kept them is what was forgotten
            return Optional.empty();
        } catch (final CompletionException e) {
            reached.note(e.getCause().getMessage());
            return Optional.of(e.getCause().getMessage());
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void removeBuffers() {
        buffers = directories.fresh();
        spill = directories.fresh();
    }

    /** Its disks hold what others did, and nobody's guest was here. */
    void takeDisks(final List<SimulatedMedium> others) {
        notes.clear();
        for (int i = 0; i < disks.size(); i++) {
            disks.get(i).medium().takeFrom(others.get(i));
            disks.get(i).leave();
            disks.get(i).forgetCheckpoint();
        }
        acknowledged = 0;
        givenUpFor = Id.NONE;
        promises.forget();
        peer.promises().forget();
        isMergeLost = false;
        wasMerging = false;
        isRestored = false;
        takeover = null;
    }

    /**
     * Disks and state are replaced by others, as a copy has them.
     *
     * @param areBuffersKept whether those of a later life are there still
     */
    void restore(
            final List<SimulatedMedium> others,
            final SimulatedState copied,
            final SimulatedTracking copiedNotes,
            final boolean areBuffersKept) {
        takeDisks(others);
        if (!areBuffersKept) {
            removeBuffers();
        }
        state.takeFrom(copied);
        notes.takeFrom(copiedNotes);
        isRestored = true;
        linkedTo = null;
    }

    /** What it has noted, to be put back one day. */
    SimulatedTracking copyNotes() {
        final SimulatedTracking copy =
                new SimulatedTracking(
                        simulation,
                        disks.stream().map(disk -> disk.medium().length()).toList(),
                        NOTES);
        copy.takeFrom(notes);
        return copy;
    }

    /** Its disks as they are now, to be put back one day. */
    List<SimulatedMedium> copyDisks() {
        return disks.stream().map(disk -> disk.medium().copy(simulation, DiskFaults.NONE)).toList();
    }

    void close() {
        if (isUp()) {
            end();
            host.kill();
        }
        gone.forEach(LivesProcess::close);
    }

    @Override
    public String toString() {
        return host.name();
    }
}
