package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.LayeredGroup;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.OwnStance;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryPlace;
import io.lockstep.engine.primary.PrimaryStart;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;
import io.lockstep.engine.secondary.StreamPlace;
import io.lockstep.engine.server.ServedExport;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * The replicated disks of a process as one group, whatever role they have at the moment: a
 * secondary, a primary, or after a failover a primary over what was the secondary. The operations
 * go to the group that has the role. On the engine's loop.
 */
final class EngineGroup extends LayeredGroup {
    /** The group's turn. */
    private final IoLoop loop;

    private final DiskLoops diskLoops;
    private final IoLoop linkLoop;
    private final HelperThreads helpers;
    private final EngineOptions options;
    private final PlainUse plainUse;
    private final Mirrors mirrors;
    private final List<EngineDisk> disks = new ArrayList<>();
    private SecondaryGroup secondary;
    private BuffersLock lock;

    /** Whether the process becomes what the pair makes of its node. */
    private boolean switchesRoles;

    /** When the guest of a primary is answered; also read by another thread. */
    private volatile AckLevel ack;

    /** What it says for the case of a split brain. */
    private final OwnStance stance = new OwnStance();

    /** What the node remembers; null until a disk has a role. */
    private NodeState state;

    private PrimaryGroup primary;

    /** The disks of the primary, in its order. */
    private List<EngineDisk> primaryDisks = List.of();

    /** Those of them whose replication child is still there. */
    private final Set<EngineDisk> attached = new LinkedHashSet<>();

    /** The primary before, after its replication children were removed; null for none. */
    private EndedGroup ended;

    EngineGroup(
            final IoLoop loop,
            final DiskLoops diskLoops,
            final IoLoop linkLoop,
            final HelperThreads helpers,
            final Mirrors mirrors,
            final EngineOptions options) {
        this.helpers = helpers;
        this.loop = loop;
        this.diskLoops = diskLoops;
        this.linkLoop = linkLoop;
        this.options = options;
        ack = options.primary().ack();
        plainUse = new PlainUse(loop, helpers, options);
        this.mirrors = mirrors;
    }

    // ---- Disks and their roles.

    /** The process becomes the other half of the pair where the two switch their roles. */
    void switchRoles() {
        switchesRoles = true;
    }

    /** What the node says for the case of a split brain, whatever it is. */
    OwnStance stance() {
        return stance;
    }

    /** A disk is there, and its guest uses it as it is. */
    void add(final EngineDisk disk) {
        disks.add(disk);
        disk.guest().switchTo(disk.local(), () -> {});
    }

    PlainUse plainUse() {
        return plainUse;
    }

    /** Whether a primary has a disk. */
    boolean isPrimarys(final EngineDisk disk) {
        return primaryDisks.contains(disk);
    }

    /** Whether a secondary serves a disk: what is written there it knows of. */
    boolean isSecondarys(final EngineDisk disk) {
        return disk.buffers() != null;
    }

    /**
     * A disk's guest is let in, and nobody replicates it: its node goes on alone before the first
     * change.
     *
     * @param directory of the node's state
     */
    @SuppressWarnings("ReferenceEquality") // whether nothing else lies below the guest
    void gate(final EngineDisk disk, final Path directory) {
        if (disk.guest().target() == disk.local() && !primaryDisks.contains(disk)) {
            disk.guest().switchTo(plainUse.gated(disk.local(), directory, () -> state), () -> {});
        }
    }

    /** A disk that has no role goes; answers when nothing of it is under way any more. */
    CompletableFuture<Void> remove(final EngineDisk disk) {
        final CompletableFuture<Void> quiet = new CompletableFuture<>();
        disks.remove(disk);
        disk.guest().switchTo(null, () -> quiet.complete(null));
        return quiet;
    }

    /** A disk is a secondary's from now on: its guest waits until replication is started. */
    void makeSecondary(final EngineDisk disk, final BufferFiles files) throws IOException {
        if (secondary != null) {
            throw new IOException(
                    "the disks of the secondary are in use already; name all of them on the command"
                            + " line, or add them before the first is exported or started");
        }
        if (options.primary().isShared()) {
            disk.file().onlyRead();
        }
        disk.buffers(files);
        disk.guest().switchTo(null, () -> {});
    }

    /** A disk is no secondary's any more, and its guest writes it as before. */
    void unmakeSecondary(final EngineDisk disk) throws IOException {
        if (secondary == null) {
            disk.file().takeOver();
            disk.buffers(null);
            disk.guest().switchTo(disk.local(), () -> {});
        }
    }

    boolean isSecondaryOpen() {
        return secondary != null;
    }

    private List<EngineDisk> secondaryDisks() {
        return disks.stream().filter(disk -> disk.buffers() != null).toList();
    }

    /**
     * Opens the secondary as a killed process left it, unless it is; perhaps a former primary's.
     */
    void openSecondary(final boolean ofFormerPrimary) throws IOException {
        final List<EngineDisk> members = secondaryDisks();
        if (secondary != null || members.isEmpty()) {
            return;
        }
        openState(members);
        final SecondaryOptions places = SecondaryPlace.optionsOf(members, options, ofFormerPrimary);
        final List<StreamPlace> streamPlaces = streamPlaces(members);
        lock = BuffersLock.take(places.page(), places.ownDirectory());
        try {
            secondary =
                    SecondaryGroup.open(
                            loop,
                            members.stream().<Disk>map(EngineDisk::local).toList(),
                            streamPlaces,
                            state.self(),
                            state.tracking(),
                            places,
                            options.groupEvents());
        } finally {
            if (secondary == null) {
                lock.undo();
            }
        }
        if (switchesRoles) {
            secondary.allowRoleTaking();
        }
        secondary.onLengthened(() -> members.forEach(EngineDisk::tellLength));
        secondary.prepareBuffers();
        final List<ServedExport> guests = secondary.guestExports();
        for (int i = 0; i < members.size(); i++) {
            members.get(i).stream(secondary.streamExports().get(i));
            final Disk guest = recordedGuest(guests.get(i).disk(), ofFormerPrimary);
            members.get(i).guest().switchTo(guest, () -> {});
        }
    }

    private List<StreamPlace> streamPlaces(final List<EngineDisk> members) throws IOException {
        final List<StreamPlace> all = new ArrayList<>();
        for (final EngineDisk member : members) {
            all.add(member.streamOn(diskLoops.of(all.size())));
        }
        return all;
    }

    /** One that took over may still reign, and writes what its peer does not get. */
    private Disk recordedGuest(final Disk disk, final boolean ofFormerPrimary) {
        return !ofFormerPrimary && state.self().node().standing() == Standing.REIGNING
                ? plainUse.gated(disk, state)
                : disk;
    }

    private void openState(final List<EngineDisk> members) throws IOException {
        final List<DiskFile> files = members.stream().map(EngineDisk::file).toList();
        if (state == null) {
            state =
                    NodeState.open(
                            new NodeState.Place(options.state(), options.stateMayVanish()),
                            files,
                            helpers,
                            loop,
                            stance);
            members.forEach(disk -> disk.keepToRecord(options.serverEvents()::onDiskError));
        } else {
            state.requireDisks(files);
        }
    }

    /** A disk forwards to a peer from the next start on. */
    void attach(final EngineDisk disk, final Peer peer) {
        disk.peer(peer);
    }

    /**
     * A disk forwards no more, and replication, which is of all disks together, ends.
     *
     * @return done when its guest writes to what lies below
     */
    CompletableFuture<Void> detach(final EngineDisk disk) {
        return attached.contains(disk) && options.primary().isShared()
                ? primary.stop(false).thenCompose(stopped -> takeAway(disk)) // or the guest waits
                : takeAway(disk);
    }

    private CompletableFuture<Void> takeAway(final EngineDisk disk) {
        disk.peer(null);
        if (!attached.remove(disk)) {
            return CompletableFuture.completedFuture(null);
        }
        // Where it has ended already nothing happens; where it is refused, it is left all the same.
        loop.after(primary.stop(false), (done, refused) -> {});
        attached.forEach(EngineDisk::spendPeer);
        if (!attached.isEmpty()) {
            return CompletableFuture.completedFuture(null);
        }
        ended = new EndedGroup(primary.status().ended(idleDisks()));
        return releasePrimary();
    }

    /** Cuts the link, if it reaches that peer; it is tried again. */
    void sever(final Peer peer) {
        if (primary != null && attached.stream().anyMatch(disk -> peer.equals(disk.peer()))) {
            final String which = "export '" + peer.export() + "' at " + peer.server();
            primary.sever("the manager has cut the link to " + which + " (yank)");
        }
    }

    /** The guests go back to what lies below the primary; then its memory goes. */
    private CompletableFuture<Void> releasePrimary() {
        final PrimaryGroup ended = primary;
        final List<EngineDisk> members = primaryDisks;
        primary = null;
        primaryDisks = List.of();
        attached.clear();
        return EngineDisk.switchAll(members, members.stream().map(this::belowRecorded).toList())
                .thenRun(ended::release);
    }

    /** What the guest of a primary that has ended writes its peer will not get. */
    private Disk belowRecorded(final EngineDisk disk) {
        return plainUse.gated(below(disk), state);
    }

    /** What lies below a primary: the secondary that failed over, or the disk itself. */
    private Disk below(final EngineDisk disk) {
        final int index = secondary == null ? -1 : secondaryDisks().indexOf(disk);
        return index < 0 ? disk.local() : secondary.guestExports().get(index).disk();
    }

    // ---- The four operations, and the halves of the second.

    @Override
    public Role role() {
        if (isStandby()) {
            return Role.SECONDARY;
        }
        if (primary != null || disks.stream().anyMatch(disk -> disk.peer() != null)) {
            return Role.PRIMARY;
        }
        return secondaryDisks().isEmpty() ? Role.PRIMARY : Role.SECONDARY;
    }

    /** Whether there is a secondary that has neither failed over nor been stopped. */
    boolean isStandby() {
        return secondary == null
                ? !secondaryDisks().isEmpty()
                : switch (secondary.status().state()) {
                    case IDLE, RUNNING, BROKEN -> true;
                    case MERGING, ALONE -> false;
                };
    }

    @Override
    public CompletableFuture<Void> start() {
        final CompletableFuture<Void> before =
                CompletableFuture.allOf(plainUse.whenRecorded(), mirrors.whenNone());
        if (!before.isDone() || before.isCompletedExceptionally()) {
            return before.thenCompose(recorded -> start());
        }
        if (role() == Role.PRIMARY) {
            return startPrimary();
        }
        try {
            openSecondary(false);
        } catch (final IOException e) {
            return fail(e.getMessage());
        }
        return secondary.start();
    }

    /** A node that has taken over, and is done with the merge, replicates all disks to its peer. */
    CompletableFuture<Void> replicateTo(final Endpoint peer) {
        disks.forEach(disk -> attach(disk, new Peer(peer, disk.name())));
        return start();
    }

    private CompletableFuture<Void> startPrimary() {
        final List<EngineDisk> fresh = disks.stream().filter(EngineDisk::isPeerFresh).toList();
        if (primary != null && primary.status().state() != GroupStatus.State.ALONE) {
            return fail("replication is already running");
        }
        if (fresh.isEmpty()) {
            return disks.stream().anyMatch(disk -> disk.peer() != null)
                    ? CompletableFuture.completedFuture(null) // it has ended, as QEMU sees it
                    : fail(
                            "no disk has a replication child with mode=primary; make one with"
                                    + " blockdev-add, and add it with x-blockdev-change");
        }
        if (primary != null) {
            return fail(
                    "remove the replication children of all disks before replication is set up"
                            + " anew: they are checkpointed together");
        }
        return openPrimary(fresh);
    }

    @SuppressWarnings("ReferenceEquality") // a loop equals itself alone
    private boolean areOnLoops(final List<EngineDisk> members) {
        return members.stream().anyMatch(disk -> disk.loop() != diskLoops.lead());
    }

    private CompletableFuture<Void> openPrimary(final List<EngineDisk> members) {
        try {
            openState(members);
            if (secondary == null || options.primary().isShared()) {
                PrimaryStart.requireMerged(state.self().node().record());
            }
            primary =
                    PrimaryGroup.open(
                            areOnLoops(members) ? loop : diskLoops.lead(),
                            options.primary().isShared() ? diskLoops.lead() : linkLoop,
                            members.stream()
                                    .map(disk -> new PrimaryPlace(below(disk), disk.loop()))
                                    .toList(),
                            members.stream().map(EngineDisk::peer).toList(),
                            state.self(),
                            state.tracking(),
                            options.primary().withAck(ack),
                            options.groupEvents());
        } catch (final IOException e) {
            return fail(e.getMessage());
        }
        primaryDisks = members;
        attached.addAll(members);
        final PrimaryGroup opened = primary;
        opened.healing().onLengthened(() -> members.forEach(EngineDisk::tellLength));
        if (options.primary().word() == Word.NOW) {
            // Somebody who uses the disks already says so; they are equal at this moment.
            return EngineDisk.switchAll(members, opened.guestDisks())
                    .thenCompose(switched -> startInTime(opened));
        }
        final EngineGuests guests = new EngineGuests(members, opened);
        opened.guests(guests);
        if (switchesRoles) {
            opened.allowHandOver(guests);
        }
        members.forEach(disk -> disk.guest().hold());
        loop.after(opened.whenServing(), guests::letGo);
        return startInTime(opened);
    }

    private CompletableFuture<Void> startInTime(final PrimaryGroup opened) {
        return StartInTime.of(opened, loop, options.attachNanos(), () -> abandon(opened));
    }

    @SuppressWarnings("ReferenceEquality") // it may have been released meanwhile
    private void abandon(final PrimaryGroup opened) {
        if (primary == opened) {
            final boolean isRunning = opened.status().state() == GroupStatus.State.RUNNING;
            loop.after(
                    isRunning ? opened.stop(false) : CompletableFuture.completedFuture(null),
                    (done, refused) -> {
                        if (refused == null || !options.primary().isShared()) {
                            loop.after(releasePrimary(), () -> {});
                        }
                    });
        }
    }

    private Optional<ReplicationGroup> current() {
        if (primary != null || secondary != null) {
            return Optional.of(primary != null ? primary : secondary);
        }
        // A new child that waits for its start is not running, whatever has ended before.
        return disks.stream().anyMatch(EngineDisk::isPeerFresh)
                ? Optional.empty()
                : Optional.ofNullable(ended);
    }

    @Override
    protected ReplicationGroup target() {
        return current().orElseGet(this::idle);
    }

    private IdleGroup idle() {
        return new IdleGroup(
                GroupStatus.idle(role(), idleDisks()),
                Optional.ofNullable(state).map(open -> NodeStatus.of(open.self().node().record())));
    }

    /** Also of a primary that begins later, for as long as this process lives. */
    @Override
    public CompletableFuture<Void> acknowledgeAt(final AckLevel level) {
        return (primary == null
                        ? CompletableFuture.<Void>completedFuture(null)
                        : primary.acknowledgeAt(level))
                .thenRun(() -> ack = level);
    }

    /** When the guest of a primary is answered, now or later. */
    AckLevel ack() {
        return ack;
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        final CompletableFuture<Void> stopped = super.stop(failover);
        if (!stopped.isCompletedExceptionally()) {
            attached.forEach(EngineDisk::spendPeer);
        }
        return stopped;
    }

    @Override
    public CompletableFuture<Void> failOver(final boolean isForced) {
        attached.forEach(EngineDisk::spendPeer);
        return super.failOver(isForced);
    }

    /** Whether guests hear nothing more here: their disks are the peer's, or wait for it. */
    boolean leavesUnanswered() {
        return primary != null && primary.leavesUnanswered();
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    @Override
    public boolean hasFailedOver() {
        return secondary != null && secondary.hasFailedOver(); // and may replicate back since
    }

    /** Of a primary that was a secondary: with what the merge of its failover still has to do. */
    @Override
    public GroupStatus status() {
        if (primary != null && secondary != null) {
            return primary.status().withMergeOf(secondary.status());
        }
        return target().status();
    }

    private List<GroupStatus.DiskStatus> idleDisks() {
        return disks.stream()
                .map(disk -> GroupStatus.DiskStatus.idle(disk.name(), disk.length()))
                .toList();
    }

    // ---- The end.

    /** The process will end: nobody waits for a secondary that is away. */
    void prepareToStop() {
        if (primary != null) {
            primary.prepareToStop();
            if (primary.holdsGuests()) {
                primaryDisks.forEach(disk -> disk.guest().switchTo(null, () -> {}));
            }
        }
    }

    /**
     * Has both sides remember that the session has ended in good order, where it has, and that the
     * process has.
     */
    void leave(final Runnable whenRecorded) {
        if (primary == null) {
            NodeState.end(state, loop, whenRecorded);
        } else {
            primary.leave(() -> NodeState.end(state, loop, whenRecorded));
        }
    }

    /** The secondary, while or after it is one; empty where it was never opened. */
    Optional<SecondaryGroup> secondary() {
        return Optional.ofNullable(secondary);
    }

    /** Runs an action when the secondary has all that was forwarded, or nobody forwards. */
    void drain(final Runnable whenDrained) {
        if (primary == null) {
            whenDrained.run();
        } else {
            primary.drain(whenDrained);
        }
    }

    /** Bytes that the secondary's buffers keep; after the end of the loops. */
    long bufferUsed() {
        return secondary == null ? 0 : secondary.status().bufferUsed();
    }

    /** Nobody was served: of a node that this process has begun nothing is left. */
    void undoFirstStart() {
        final boolean isNew = state != null && state.isWithoutPast();
        if (isNew && (secondary == null || secondary.leaveNothing())) {
            state.leaveNothing();
        }
    }

    /**
     * Lets go of memory and buffers. The loops have ended.
     *
     * @param areFlushed whether the disks are, without which buffers are of no use to another boot
     * @throws IOException where a reboot would lose the buffers, though they lie on a disk
     */
    void close(final boolean areFlushed) throws IOException {
        if (primary != null) {
            primary.close();
        }
        if (secondary != null) {
            closeSecondary(areFlushed);
        }
        if (state != null) {
            state.close(areFlushed, options.serverEvents());
        }
    }

    private void closeSecondary(final boolean areFlushed) throws IOException {
        try {
            if (areFlushed) {
                secondary.closeInGoodOrder();
            } else {
                secondary.close();
            }
        } finally {
            lock.close();
        }
    }
}
