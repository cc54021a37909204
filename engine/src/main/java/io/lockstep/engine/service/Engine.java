package io.lockstep.engine.service;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.GroupTurn;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.node.AfterSplitBrain;
import io.lockstep.engine.primary.MirrorLimits;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.server.ExportCounters;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.throttle.ThrottleGroup;
import io.lockstep.nbd.ClientNegotiated;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A running process that replicates: its loops, its open disks, the server of its guests and the
 * one of its replication exports. Disks, exports and roles come and go while it runs.
 *
 * <p>One loop has the disks, both groups and all exports; another has the link to a secondary; and
 * where there are several disks, a secondary's streams of all but the first, or a primary's guests,
 * have loops of their own ({@link DiskLoops}). The methods are called by one thread at a time,
 * which is none of these; what is done on a loop they wait for.
 */
public final class Engine implements AutoCloseable {
    private static final long DRAIN_SECONDS = 5;

    /** How long the end of the process waits for the merge of a failover. */
    private static final long MERGE_SECONDS = 30;

    /** So much in buffers on a disk may take long to be brought to it, in bytes. */
    private static final long MUCH_BUFFERED = 64L << 20;

    private final EngineOptions options;

    /** For the node's state, which a disk that doesn't answer must not hold up. */
    private final HelperThreads stateHelpers = new HelperThreads();

    private final List<EngineDisk> disks = new ArrayList<>();
    private final NioLoop loop;

    /** What the loop does while those of disks stand: all that is not a request. */
    private final GroupTurn turn;

    private final DiskLoops diskLoops;
    private final NioLoop linkLoop;
    private final EngineGroup group;
    private final Mirrors mirrors;
    private final GuestPause pause = new GuestPause();
    private final ExportServer guests;
    private final ExportServer nbdServer;

    private Engine(final EngineOptions options) throws IOException {
        this.options = options;
        loop = new NioLoop("lockstep-engine", options.spinNanos(), options.errorHandler());
        turn = new GroupTurn(loop);
        diskLoops = new DiskLoops(loop, turn, options);
        linkLoop = new NioLoop("lockstep-link", options.spinNanos(), options.errorHandler());
        mirrors = new Mirrors(loop, linkLoop, options.primary());
        group = new EngineGroup(turn, diskLoops, linkLoop, stateHelpers, mirrors, options);
        guests = new ExportServer(loop, turn, options.serverEvents());
        nbdServer = new ExportServer(loop, turn, options.serverEvents());
        guests.start(options.connectionsMax());
        loop.start();
        linkLoop.start();
    }

    /** Starts one that has no disk yet. */
    public static Engine start(final EngineOptions options) throws IOException {
        return new Engine(options);
    }

    /** All replicated disks as one group; to be used on {@link #loop}. */
    public ReplicationGroup group() {
        return group;
    }

    /** The loop of disks, groups and exports. */
    public IoLoop loop() {
        return turn;
    }

    /** The server of the guests; it is there from the beginning. */
    public ExportServer guests() {
        return guests;
    }

    /** The server that a manager starts and stops, for replication and for whoever else. */
    public ExportServer nbdServer() {
        return nbdServer;
    }

    /** What it is made of. */
    public EngineOptions options() {
        return options;
    }

    // ---- Disks.

    /**
     * Opens a disk. Its guest uses it as it is.
     *
     * @param isReadOnly for nobody to change it
     * @throws IOException where it can't be had, or nobody could be told of its name
     */
    public EngineDisk open(final String name, final Path path, final boolean isReadOnly)
            throws IOException {
        ServedExport.require("disk's name", name);
        final DiskFile file = DiskFile.open(name, path, options.access().readOnly(isReadOnly));
        file.onChange(options.serverEvents()::onDiskError);
        final int number = disks.size();
        final IoLoop home = LoopCall.call(turn, () -> diskLoops.ofGuests(number));
        final EngineDisk disk = new EngineDisk(file, home, turn);
        disks.add(disk);
        onLoop(
                () -> {
                    group.add(disk);
                    pause.onOpened(disk);
                });
        return disk;
    }

    /**
     * A disk is a part of its file from now on. It must have neither role nor export.
     *
     * @param offset where in the file, in bytes
     * @param length in bytes; the part must lie within the file
     */
    public void narrow(final EngineDisk disk, final long offset, final long length)
            throws IOException {
        onLoop(
                () -> {
                    disk.narrow(offset, length);
                    pause.onOpened(disk);
                });
    }

    /** A disk is used within a group's limits from now on, by whomever; under the same rule. */
    public void throttle(final EngineDisk disk, final ThrottleGroup limits) throws IOException {
        onLoop(
                () -> {
                    disk.throttle(limits);
                    pause.onOpened(disk);
                });
    }

    /** Takes back what {@link #narrow} or {@link #throttle} did last. */
    public void uncover(final EngineDisk disk) throws IOException {
        onLoop(
                () -> {
                    disk.uncover();
                    pause.onOpened(disk);
                });
    }

    /** Closes a disk that has no role and no export. */
    public void close(final EngineDisk disk) throws IOException {
        final CompletableFuture<Void> quiet = LoopCall.call(turn, () -> group.remove(disk));
        LoopCall.await(quiet, DRAIN_SECONDS);
        disk.awaitCalls();
        disks.remove(disk);
        onLoop(disk::unmap);
        disk.flushFile(options.serverEvents());
        disk.close();
    }

    /**
     * Makes a disk a secondary's: its guest gets errors until replication is started.
     *
     * @throws IOException where the group of secondary disks is complete
     */
    public void makeSecondary(final EngineDisk disk, final BufferFiles buffers) throws IOException {
        onLoop(() -> group.makeSecondary(disk, buffers));
    }

    /** Takes that back; not once the secondary's buffers are open. */
    public void unmakeSecondary(final EngineDisk disk) throws IOException {
        onLoop(() -> group.unmakeSecondary(disk));
    }

    /** Whether the secondary's buffers are open: they are of all its disks together. */
    public boolean isSecondaryOpen() throws IOException {
        return LoopCall.call(turn, group::isSecondaryOpen);
    }

    /**
     * Opens the buffers of the secondary's disks, where there are any: as a killed process left
     * them, or fresh. Otherwise it is done when they are first needed.
     *
     * @throws IOException where they can't be had
     */
    public void openSecondary() throws IOException {
        onLoop(() -> group.openSecondary(false));
    }

    /**
     * The same of a node that was the primary until its peer took over, which makes it equal.
     *
     * @throws IOException as above
     */
    public void openFormerPrimary() throws IOException {
        onLoop(() -> group.openSecondary(true));
    }

    /**
     * An event tells when the two have switched their roles, and it is stopped. Before it has one.
     *
     * @throws IOException where the loop has ended
     */
    public void switchRoles() throws IOException {
        onLoop(group::switchRoles);
    }

    /** What loops its disks have beside its own. */
    public DiskLoops diskLoops() {
        return diskLoops;
    }

    /**
     * What becomes of this node where it finds itself in a split brain. Before it has a role.
     *
     * @throws IOException where the loop has ended
     */
    public void afterSplitBrain(final AfterSplitBrain policy) throws IOException {
        onLoop(() -> group.stance().set(policy, guests::hasClients));
    }

    /** Whether what guests wait for gets no answer: the peer has taken over, or may have. */
    private boolean leavesUnanswered() {
        try {
            return LoopCall.call(turn, group::leavesUnanswered);
        } catch (final IOException e) {
            return false; // the loop does not answer, and holds nobody
        }
    }

    /**
     * Has a node that took over, and has merged, replicate to its former primary. On the loop.
     *
     * @param peer where the former primary's replication exports are, which have the disks' names
     * @return done when it is linked
     */
    public CompletableFuture<Void> replicateTo(final Endpoint peer) {
        return group.replicateTo(peer);
    }

    /**
     * Has a disk forward to a peer, from the next start on.
     *
     * @throws IOException where no peer can be asked for such an export
     */
    public void attach(final EngineDisk disk, final Peer peer) throws IOException {
        ServedExport.require("export name", peer.export());
        onLoop(() -> group.attach(disk, peer));
    }

    /**
     * Has a disk forward no more; replication of all disks ends.
     *
     * @return done, on the loop, when its guest is served without
     */
    public CompletableFuture<Void> detach(final EngineDisk disk) throws IOException {
        return LoopCall.call(turn, () -> group.detach(disk));
    }

    /**
     * Cuts the link, if it reaches that peer, and has whoever waits for it told so; replication is
     * tried again, and a mirror fails. Waits for nobody.
     *
     * @return done, on the loop, when that was ordered
     */
    public CompletableFuture<Void> sever(final Peer peer) {
        return CompletableFuture.runAsync(
                () -> {
                    group.sever(peer);
                    mirrors.sever(peer);
                },
                turn::execute);
    }

    /**
     * Makes an export of another server equal to a disk as its guest sees it, and keeps it so; it
     * is a plain server to us, whatever it is.
     *
     * @param owner hears of it on the loop
     * @throws IOException with a sentence, where the disk can't be mirrored
     */
    public EngineMirror mirror(
            final EngineDisk disk,
            final Peer target,
            final MirrorLimits limits,
            final EngineMirror.Owner owner)
            throws IOException {
        return mirror(disk, target, limits, false, owner);
    }

    /**
     * The same with an export that is equal, as somebody says: what changes is sent, and no more.
     *
     * @throws IOException as above
     */
    public EngineMirror copy(
            final EngineDisk disk,
            final Peer target,
            final MirrorLimits limits,
            final EngineMirror.Owner owner)
            throws IOException {
        return mirror(disk, target, limits, true, owner);
    }

    private EngineMirror mirror(
            final EngineDisk disk,
            final Peer target,
            final MirrorLimits limits,
            final boolean isEqual,
            final EngineMirror.Owner owner)
            throws IOException {
        admitPlain(disk);
        return LoopCall.call(
                turn,
                () -> {
                    mirrors.require(disk, group);
                    return mirrors.begin(disk, target, limits, isEqual, owner);
                });
    }

    private interface Step {
        void run() throws IOException;
    }

    private void onLoop(final Step step) throws IOException {
        LoopCall.call(
                turn,
                () -> {
                    step.run();
                    return null;
                });
    }

    /** Whether there is a secondary that has neither failed over nor been stopped. */
    public boolean isStandby() throws IOException {
        return LoopCall.call(turn, group::isStandby);
    }

    /**
     * Has what guests ask for wait, of all disks and whoever else uses them as guests do.
     *
     * @return done, on the loop, when what was under way has ended and is on stable storage, and
     *     those that the disks are mirrored to have it
     */
    public CompletableFuture<Void> pauseGuests() throws IOException {
        final List<EngineDisk> all = List.copyOf(disks);
        return LoopCall.call(
                turn, () -> pause.begin(all).thenCompose(stopped -> mirrors.settled()));
    }

    /** Has it done again. */
    public void resumeGuests() throws IOException {
        final List<EngineDisk> all = List.copyOf(disks);
        onLoop(() -> pause.end(all));
    }

    // ---- Exports.

    /**
     * Exports a disk as its guest sees it.
     *
     * @param server which of the two
     */
    public void exportGuest(
            final ExportServer server, final ExportRequest request, final GuestView view)
            throws IOException {
        exportAsItIs(server, request, view);
    }

    /** A disk that nobody replicates is written if its node may: see {@link PlainUse}. */
    private void exportAsItIs(
            final ExportServer server, final ExportRequest request, final GuestView view)
            throws IOException {
        if (!request.isReadOnly()) {
            admitPlain(view.disk());
        }
        export(server, request, ServedExport.of(view.shown(), "").on(view.disk().loop()));
    }

    private void admitPlain(final EngineDisk disk) throws IOException {
        final boolean isPlain =
                !disk.file().isReadOnly() && !LoopCall.call(turn, () -> group.isSecondarys(disk));
        if (isPlain) {
            final List<DiskFile> files = disks.stream().map(EngineDisk::file).toList();
            final Optional<Path> state = group.plainUse().admit(disk.file(), files);
            if (state.isPresent()) {
                onLoop(() -> group.gate(disk, state.get()));
            }
        }
    }

    private static void export(
            final ExportServer server, final ExportRequest request, final ServedExport export)
            throws IOException {
        server.add(
                export.as(
                        request.name(),
                        request.description(),
                        request.isReadOnly(),
                        request.policy(),
                        request.counters()));
    }

    /**
     * Exports what the primary writes to: of a secondary's disk the stream, of any other the disk.
     */
    public void exportRaw(
            final ExportServer server, final ExportRequest request, final EngineDisk disk)
            throws IOException {
        ServedExport.require("export name", request.name());
        ServedExport.require("description", request.description());
        openSecondary();
        final ServedExport stream = LoopCall.call(turn, disk::stream);
        if (stream == null) {
            exportAsItIs(server, request, GuestView.of(disk));
        } else {
            export(server, request, stream);
        }
    }

    /**
     * Has the primary of these disks say what its node is to another primary that looks for its
     * secondary here. Nobody can change them there.
     */
    public void exportMeetings() throws IOException {
        for (final EngineDisk disk : disks) {
            nbdServer.add(
                    ServedExport.of(
                                    disk.guest(),
                                    "primary",
                                    new PrimaryDoor(
                                            group,
                                            group.stance(),
                                            options.primary().isShared(),
                                            disk,
                                            turn))
                            .on(disk.loop()));
        }
    }

    /** What was done for the clients of some exports, at one moment. */
    public List<ExportCounters.Figures> figures(final List<ExportCounters> counters)
            throws IOException {
        return LoopCall.call(turn, () -> counters.stream().map(ExportCounters::figures).toList());
    }

    /** Asks another server about an export. Fails with a sentence; completes on a loop. */
    public CompletableFuture<ClientNegotiated> probe(final Peer peer) {
        return ExportProbe.ask(linkLoop, peer);
    }

    /** When the guest of a primary is answered, as was said last; also when this has ended. */
    public AckLevel ack() {
        return group.ack();
    }

    // ---- The end.

    @Override
    public void close() {
        stop();
    }

    /**
     * Ends a merge that goes on, within half a minute, answers what is in flight, waits some
     * seconds for the secondary to have all of it, unless it is away or does not answer, and
     * leaves; a secondary's buffers stay for the next process.
     *
     * @return whether every disk has what belongs into it, and could be flushed
     */
    public boolean stop() {
        final boolean isServed = !guests.endpoints().isEmpty();
        final boolean isMerged = finishMerge();
        final List<EngineDisk> all = List.copyOf(disks);
        turn.execute(() -> pause.end(all));
        turn.execute(mirrors::endAll);
        if (leavesUnanswered()) {
            guests.abort();
        }
        turn.execute(group::prepareToStop);
        nbdServer.shutDown();
        guests.shutDown();
        drain();
        disks.forEach(EngineDisk::awaitCalls);
        stateHelpers.close();
        linkLoop.close();
        loop.close();
        diskLoops.close();
        boolean isFlushed = true;
        for (final EngineDisk disk : disks) {
            isFlushed &= disk.flushFile(options.serverEvents());
        }
        mirrors.close();
        if (!isServed) {
            group.undoFirstStart();
        }
        closeGroup(isFlushed);
        for (final EngineDisk disk : disks) {
            disk.unmap();
            disk.close();
        }
        disks.clear();
        return isMerged && isFlushed;
    }

    private void closeGroup(final boolean areFlushed) {
        final long used = group.bufferUsed();
        if (used > MUCH_BUFFERED) {
            options.serverEvents()
                    .onDiskError(
                            "the buffers keep "
                                    + used
                                    + " bytes; where they lie on a disk these are brought to it now"
                                    + ", for the host's next boot, and that takes its time");
        }
        try {
            group.close(areFlushed);
        } catch (final IOException e) {
            options.serverEvents()
                    .onDiskError(
                            "the buffers would not outlive a reboot of the host: "
                                    + e.getMessage());
        }
    }

    /** The guests are served meanwhile; answers whether the buffers have nothing left. */
    private boolean finishMerge() {
        final CompletableFuture<Void> merged = new CompletableFuture<>();
        turn.execute(
                () -> {
                    final CompletableFuture<Void> merge =
                            group.secondary()
                                    .map(group -> group.merge().finish())
                                    .orElse(CompletableFuture.completedFuture(null));
                    if (!merge.isDone()) {
                        sayMergeGoesOn(
                                "it is finished before this process ends, within "
                                        + MERGE_SECONDS
                                        + " s");
                    }
                    turn.after(merge, () -> merged.complete(null));
                });
        try {
            LoopCall.await(merged, MERGE_SECONDS);
            return true;
        } catch (final IOException e) {
            turn.execute(
                    () -> {
                        sayMergeGoesOn(
                                "this process ends without it, and the disks are not whole; what"
                                        + " is left stays in the buffers: start the same command"
                                        + " again before the host loses them, as it does with a"
                                        + " reboot where they lie in memory");
                        group.secondary().ifPresent(secondary -> secondary.merge().giveUp());
                    });
            return false;
        }
    }

    private void sayMergeGoesOn(final String consequence) {
        final GroupStatus status = group.status();
        options.serverEvents()
                .onDiskError(
                        "the merge of the failover has "
                                + (status.mergeTotal() - status.mergeDone())
                                + " bytes left; "
                                + consequence);
    }

    private void drain() {
        final CompletableFuture<Void> drained = new CompletableFuture<>();
        turn.execute(() -> group.drain(() -> group.leave(() -> drained.complete(null))));
        try {
            LoopCall.await(drained, DRAIN_SECONDS);
        } catch (final IOException e) {
            return; // the secondary is not there, or the state: the next process sees, as after a
            // kill
        }
    }
}
