package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Healing;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.throttle.Throttle;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * The primary side of a disk group: serves the guest from the local disks, and forwards what
 * changes them. The guest never waits for the link, unless the forward log is full and the policy
 * says so (I6).
 *
 * <p>Two loops work here: the guest's, which owns the group, and the link's. They meet in the
 * positions of the {@link ForwardLog}, and tell each other of the rest by {@link IoLoop#execute}.
 */
public final class PrimaryGroup implements ReplicationGroup, AutoCloseable {
    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private final PrimaryOptions options;
    private final PrimaryEvents events;
    private final List<PrimaryDisk> disks = new ArrayList<>();
    private final Forwarding forwarding;
    private final Link link;
    private final PrimaryReign reign;
    private final Lanes lanes;
    private final WakeUp linkWakeUp = new WakeUp();
    private final Runnable workTask = this::work;
    private final LinkOrders orders;
    private final PrimaryEpochs epochs = new PrimaryEpochs();
    private final PeerPresence presence;
    private final PrimaryCheckpoints checkpoints;
    private final Acknowledgements acknowledgements;
    private final Leaving leaving;
    private final HandOver handOver;
    private final PrimaryEnd end;
    private final PrimaryReport report;
    private CompletableFuture<Void> started;
    private final Tracking tracking;

    private final PrimaryHealing healing;
    private final FullLog fullLog;

    private PrimaryGroup(
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final List<PrimaryPlace> places,
            final List<Peer> peers,
            final Self self,
            final Tracking tracking,
            final PrimaryOptions options,
            final GroupEvents events) {
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
        this.tracking = tracking;
        this.options = options;
        orders = new LinkOrders(guestLoop, linkLoop);
        final String peer = peers.getFirst().server().toString();
        this.events = new PrimaryEvents(events, peer, options.lostLink(), epochs::committed);
        epochs.onOpened(events::onOpened);
        final List<Disk> locals = places.stream().map(PrimaryPlace::disk).toList();
        lanes = new Lanes(guestLoop, places, options, this::onFullLog);
        presence = new PeerPresence(guestLoop, peer, options.patienceNanos(), this::onAway);
        reign =
                new PrimaryReign(
                        guestLoop,
                        self,
                        options.word(),
                        epochs::committed,
                        new LostLink(
                                guestLoop,
                                options.lostLink(),
                                peers.getFirst().server(),
                                locals.stream().map(Disk::name).toList(),
                                presence,
                                this.events,
                                options.isShared()),
                        orders::startNow,
                        this.events::notRecorded);
        checkpoints =
                new PrimaryCheckpoints(
                        this, epochs, presence, lanes, locals.size(), tracking::seal, orders);
        acknowledgements =
                new Acknowledgements(guestLoop, lanes, options.ack(), reign, epochs, checkpoints);
        forwarding =
                new GroupDisks(this, guestLoop, acknowledgements, this.events)
                        .forwarding(options, locals, lanes, reign, presence, tracking);
        for (final Disk local : locals) {
            disks.add(forwarding.disk(local, disks.size()));
        }
        healing =
                new PrimaryHealing(
                        guestLoop,
                        this,
                        disks,
                        lanes,
                        reign,
                        presence,
                        epochs,
                        this.events,
                        tracking);
        final Synchroniser synchroniser = healing.synchroniser();
        final PrimaryMeeting meeting =
                new PrimaryMeeting(
                        guestLoop,
                        linkLoop,
                        reign,
                        forwarding.emptyDisks(),
                        tracking,
                        synchroniser,
                        this::skipLog,
                        (newer, sentence) -> handOver().endsFor(newer, sentence),
                        healing.splitBrain(),
                        this.events);
        fullLog =
                new FullLog(
                        options.fullLog(),
                        this,
                        lanes,
                        presence,
                        reign,
                        epochs,
                        this.events,
                        synchroniser,
                        meeting,
                        acknowledgements);
        link =
                new Link(
                        linkLoop,
                        peers.toArray(Peer[]::new),
                        disks.toArray(PrimaryDisk[]::new),
                        lanes,
                        options.peerTimeout(),
                        SecondaryKind.UNKNOWN,
                        forwarding.attachFlags(),
                        Throttle.NONE,
                        new LinkReport(
                                guestLoop,
                                new LinkEvents(
                                        this,
                                        reign,
                                        epochs,
                                        presence,
                                        checkpoints,
                                        acknowledgements,
                                        lanes,
                                        this.events,
                                        healing,
                                        meeting,
                                        forwarding,
                                        disks)));
        orders.to(link);
        leaving =
                new Leaving(
                        this,
                        guestLoop,
                        linkLoop,
                        link,
                        reign,
                        epochs,
                        presence,
                        lanes,
                        healing,
                        this.events,
                        disks);
        report = new PrimaryReport(reign, epochs, presence, lanes, acknowledgements, disks);
        handOver =
                new HandOver(
                        this,
                        leaving,
                        guestLoop,
                        linkLoop,
                        link,
                        reign,
                        epochs,
                        checkpoints,
                        this.events,
                        disks);
        end =
                new PrimaryEnd(
                        this,
                        guestLoop,
                        linkLoop,
                        link,
                        reign,
                        epochs,
                        presence,
                        lanes,
                        healing,
                        handOver,
                        this.events);
    }

    /** The process becomes a secondary where its peer takes over from it: an event says so. */
    public void allowHandOver(final HeldGuests guests) {
        handOver.allow(guests);
    }

    /** Who is made to wait where this node gives its own way up. */
    public void guests(final HeldGuests guests) {
        healing.splitBrain().guests(guests);
    }

    /**
     * Opens a group; on the guest's loop. Guests may write at once: the log keeps it.
     *
     * @param guestLoop owns the group and the disks
     * @param linkLoop owns the link; may be the same
     * @param places of the disks
     * @param peers of the disks, in their order
     * @param self the node whose disks these are
     * @param tracking of these disks, in their order
     * @throws IOException where a disk can't be a primary's
     */
    public static PrimaryGroup open(
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final List<PrimaryPlace> places,
            final List<Peer> peers,
            final Self self,
            final Tracking tracking,
            final PrimaryOptions options,
            final GroupEvents events)
            throws IOException {
        for (final PrimaryPlace place : places) {
            if (place.disk().isReadOnly()) {
                throw new IOException(
                        "disk " + place.disk().name() + " is read-only; a primary writes it");
            }
        }
        final PrimaryGroup group =
                new PrimaryGroup(
                        guestLoop, linkLoop, places, peers, self, tracking, options, events);
        group.forwarding.emptyDisks().look(group::startLink);
        return group;
    }

    /** The disks as the guest uses them, in order. */
    public List<Disk> guestDisks() {
        return List.copyOf(disks);
    }

    /** What the guest uses; a disk's export has its name. */
    public List<ServedExport> guestExports() {
        return disks.stream()
                .map(
                        disk ->
                                ServedExport.of(disk, "primary disk " + disk.name())
                                        .on(disk.lane().loop()))
                .toList();
    }

    // ---- The four operations, and the halves of the second.

    @Override
    public Role role() {
        return Role.PRIMARY;
    }

    @Override
    public CompletableFuture<Void> start() {
        if (end.state() == GroupStatus.State.ALONE) {
            return CompletableFuture.completedFuture(null);
        }
        if (!end.begin()) {
            return fail("replication is already running");
        }
        started = new CompletableFuture<>();
        final CompletableFuture<Void> answer = started;
        guestLoop.after(
                reign.begin(),
                (done, thrown) -> {
                    if (thrown == null) {
                        end.onBegun();
                        startLink();
                    } else if (end.isRunning()) {
                        end.undoBegin();
                        answer.completeExceptionally(
                                new GroupException(PrimaryEvents.sentenceOf(thrown)));
                    }
                });
        return answer;
    }

    /**
     * Done when the guest may use the disks: not before the peer was met, if that may have taken
     * over since this node's process before this one.
     */
    public CompletableFuture<Void> whenServing() {
        return reign.whenServing();
    }

    /** Whether the guests wait, for the peer or until it is known who serves them. */
    public boolean holdsGuests() {
        return reign.isHeld() || handOver.isBegun();
    }

    @Override
    public void fenced() {
        reign.lostLink().fenced();
    }

    @Override
    public CompletableFuture<Void> promote() {
        return handOver.promote();
    }

    @Override
    public CompletableFuture<Long> switchOver() {
        return handOver.begin();
    }

    /**
     * Whether the peer has taken over by a switch of roles: this process is no primary any more.
     */
    public boolean hasHandedOver() {
        return handOver.isDone();
    }

    @Override
    public CompletableFuture<Void> join() {
        return reign.giveWay().thenRun(healing.peerTracking()::forget).thenRun(events::givesWay);
    }

    /**
     * Whether what the guests ask for stays unanswered when the process ends: their disks are the
     * peer's, or it is not known what becomes of the peer.
     */
    public boolean leavesUnanswered() {
        return handOver.isDone() || reign.lostLink().isHolding();
    }

    /** The link says which disks are empty: all must have been looked at. */
    private void startLink() {
        if (end.isRunning()
                && forwarding.emptyDisks().isKnown()
                && reign.record().standing().isPrimary()) {
            orders.start();
        }
    }

    @Override
    public CompletableFuture<Long> seal() {
        return handOver.isBegun() ? fail(HandOver.UNDER_WAY) : checkpoints.seal();
    }

    @Override
    public CompletableFuture<Void> whenSealed() {
        return checkpoints.whenSealed();
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        return handOver.isBegun() ? fail(HandOver.UNDER_WAY) : checkpoints.commit(epoch);
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        return handOver.isBegun() ? fail(HandOver.UNDER_WAY) : checkpoints.checkpoint();
    }

    @Override
    public CompletableFuture<Void> whenDurable(final long epoch) {
        return checkpoints.whenDurable(epoch);
    }

    @Override
    public CompletableFuture<Void> acknowledgeAt(final AckLevel level) {
        if (level.isAboutSecondary() && presence.isForeign()) {
            return fail(events.knowsNoEpochs(level).sentence());
        }
        acknowledgements.level(level);
        return CompletableFuture.completedFuture(null);
    }

    /** Why nothing is sealed or committed here; null where it may be. */
    String refuseOperation() {
        if (end.error().isPresent()) {
            return end.error().get().sentence();
        }
        if (!end.isRunning()) {
            return end.notRunning();
        }
        final String waiting = reign.unservedSentence(presence.toString());
        return waiting.isEmpty()
                ? healing.synchronisation().map(events::notEqual).orElse(null)
                : waiting;
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        return end.stop(failover);
    }

    /**
     * The process will end. From now on nobody waits for a secondary that is away, that does not
     * answer ({@link LastWait}), or that holds the log up because nobody will commit there: guests'
     * requests that wait for room are refused with ESHUTDOWN, and a drain is over.
     */
    public void prepareToStop() {
        leaving.prepareToStop();
    }

    /**
     * Runs an action when the secondary has answered all that is in the log now, when replication
     * has ended, or when the process will end and there is no use in waiting: what the secondary
     * lacks is told then.
     */
    public void drain(final Runnable whenDrained) {
        leaving.drain(whenDrained);
    }

    // ---- What the disks ask and tell, on the guest's loop.

    long nanoTime() {
        return guestLoop.nanoTime();
    }

    private void onFullLog() {
        fullLog.onFull();
    }

    /** Nothing is announced any more of disks that the secondary sees as well. */
    void goAlone() {
        fullLog.goAlone();
    }

    /** How the secondary comes to what the guest changes. */
    Forwarding forwarding() {
        return forwarding;
    }

    void onDecided() {
        if (linkWakeUp.isNeeded()) {
            linkLoop.execute(workTask);
        }
    }

    private void work() {
        linkWakeUp.onAwake();
        link.work();
    }

    private void onAway() {
        checkpoints.onAway();
        lanes.look();
    }

    // ---- What the link's events ask and tell, on the guest's loop.

    HandOver handOver() {
        return handOver;
    }

    /** Whether replication runs, and how it ends. */
    PrimaryEnd end() {
        return end;
    }

    boolean isRunning() {
        return end.isRunning();
    }

    /** Whether the link was up since replication was started. */
    boolean hasStarted() {
        return started.isDone();
    }

    void onStarted() {
        started.complete(null);
    }

    /** Replication has ended: who waits for its start is told so. */
    void onEnded(final String reason) {
        if (started != null && !started.isDone()) {
            started.completeExceptionally(new GroupException(reason));
        }
        forwarding.onCut();
    }

    /** Whether the linked secondary gets what is written, and lacks nothing else. */
    boolean isEqual() {
        return end.isRunning()
                && presence.isLinked()
                && !presence.isForeign()
                && lanes.isLogging()
                && !healing.synchroniser().isUnderWay();
    }

    /** What is in the log is not sent any more: it is noted, and sent as it is then. */
    private void skipLog() {
        lanes.logAgain();
        orders.skip(lanes.ends());
        forwarding.onSkipped();
        epochs.fail(PrimaryEvents::epochGivenUp);
    }

    /** A synchronisation was cancelled, and is wanted again. */
    void catchUp() {
        fullLog.catchUp();
    }

    void sealCaughtUp() {
        checkpoints.sealCaughtUp();
    }

    /** Whether something that the guest was answered by this node alone is in no checkpoint yet. */
    boolean hasAnsweredAlone() {
        return acknowledgements.isAlone();
    }

    /** What the link is to do. */
    LinkOrders orders() {
        return orders;
    }

    // ---- Status and end.

    /**
     * Ends the session in good order, where the secondary has everything: both sides remember it,
     * and the next process goes on. The guests have gone.
     *
     * @param whenLeft runs when that is done, or can't be
     */
    public void leave(final Runnable whenLeft) {
        leaving.leave(whenLeft);
    }

    @Override
    public Healing healing() {
        return healing;
    }

    @Override
    public Optional<NodeStatus> node() {
        return Optional.of(report.node());
    }

    @Override
    public String ending() {
        return end.sentence();
    }

    @Override
    public Optional<ReplicationError> error() {
        return end.error().or(reign::disagreement);
    }

    @Override
    public GroupStatus status() {
        return report.status(end.state());
    }

    /**
     * Cuts the link at once, without waiting for anybody; it is tried again. Who waits for a seal
     * or a commit is told so: it may come about when the link is back.
     */
    public void sever(final String reason) {
        orders.sever(reason);
        epochs.failForNow(epoch -> reason);
    }

    /**
     * Ends the link and gives the log's memory back, while both loops go on. The guests use the
     * disks no more.
     */
    public void release() {
        orders.cut(this::close);
    }

    /** Gives the log's memory back. The guests have gone, and the link's loop has ended. */
    @Override
    public void close() {
        healing.close();
        forwarding.close();
        lanes.close();
    }
}
