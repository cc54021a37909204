package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.tracking.Tracking;

import org.HdrHistogram.Histogram;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * The secondary side of a disk group: takes the primary's stream, keeps what is needed to return to
 * the last checkpoint, and serves the guest from there.
 *
 * <p>What it knows is in mapped files in its buffer directory: opened again after a kill, it goes
 * on where it was, be that in the midst of an epoch, a commit or a merge (I9). A commit is one
 * store in {@link GroupPage} (I4). Everything is called on the group's loop.
 */
public final class SecondaryGroup implements ReplicationGroup, AutoCloseable {
    /**
     * After a failover whoever ordered it is answered first, and what the guest writes then. Events
     * and merge would take a core from them each, and begin so much later.
     */
    static final long HEAD_START_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final IoLoop loop;
    private final SecondaryOptions options;
    private final SecondaryEvents events;
    private final GroupPage page;
    private final SecondaryDisks disks = new SecondaryDisks();
    private final BufferSpace space = new BufferSpace(this, disks);
    private final SecondarySession session;
    private final Succession succession;
    private final Self self;
    private final Tracking tracking;
    private final SecondaryCheckpoints checkpoints;
    private final Durability durability;
    private final KeptCheckpoint kept;
    private final SpillFolder spill;
    private final SecondaryLengths lengths;
    private ReplicationError error;
    private long committedNanos;
    private boolean isClosed;
    private boolean hasBuffers = true;

    /** What is to be told of the buffers that were found; empty for nothing. */
    private final String remark;

    private final SecondaryEnd end;
    private final RoleTaking roleTaking;
    private final SecondaryMerge merge;

    private SecondaryGroup(
            final IoLoop loop,
            final List<Disk> locals,
            final List<StreamPlace> places,
            final Self self,
            final Tracking tracking,
            final SecondaryOptions options,
            final GroupEvents events)
            throws IOException {
        this.loop = loop;
        this.tracking = tracking;
        this.options = options;
        committedNanos = loop.nanoTime();
        this.events = new SecondaryEvents(events, this::committedEpoch);
        tracking.onNotRecorded(this::onNotRecorded);
        final FoundBuffers found = FoundBuffers.open(options, locals, self);
        page = found.page();
        remark = found.remark();
        spill = Succession.openSpill(options, page, self);
        lengths = new SecondaryLengths(this, loop, page, self.node(), locals);
        session = new SecondarySession(this, page, self.node(), loop, options);
        succession = new Succession(this, loop, page, self, options);
        this.self = self;
        durability = new Durability(this, self.node(), loop, this.events);
        kept = new KeptCheckpoint(this, page, self.node(), loop, options, this.events);
        checkpoints = new SecondaryCheckpoints(this, loop, page, this.events);
        end = new SecondaryEnd(this, loop, page, succession, this.events);
        roleTaking = new RoleTaking(this, loop, page, self.node(), end);
        merge = new SecondaryMerge(this, page, self.node(), this.events);
        boolean opened = false;
        try {
            succession.keepRecordNumber();
            succession.resume(found.isPutBack());
            succession.forgetNotes();
            for (int i = 0; i < locals.size(); i++) {
                disks.add(new SecondaryDisk(this, i, locals.get(i), places.get(i), page, options));
            }
            page.endGrowth();
            kept.look();
            opened = true;
        } finally {
            if (!opened) {
                isClosed = true; // records may still be on their way to storage
                disks.forEach(SecondaryDisk::close);
                spill.close();
                page.close();
            }
        }
    }

    /**
     * Opens a group, fresh or as a killed process left it: then replication, or the merge of a
     * failover, goes on at once.
     *
     * @param disks writable
     * @param self the node whose buffers these are, opened in this boot of the host
     * @throws IOException where the buffers can't be had, or belong to other disks or another node,
     *     or where the node is a primary
     */
    public static SecondaryGroup open(
            final IoLoop loop,
            final List<Disk> disks,
            final Self self,
            final SecondaryOptions options,
            final GroupEvents events)
            throws IOException {
        final List<Long> lengths = disks.stream().map(Disk::length).toList();
        final List<StreamPlace> places = StreamPlace.on(loop, disks);
        return open(loop, disks, places, self, Tracking.inMemory(lengths), options, events);
    }

    /**
     * The same, and what has changed once it has taken over is noted for the node's next process.
     *
     * @param loop a {@link io.lockstep.engine.loop.GroupTurn} where streams have loops of their own
     * @param places where the stream of each disk is taken
     * @param tracking of these disks, in their order
     * @throws IOException as above
     */
    public static SecondaryGroup open(
            final IoLoop loop,
            final List<Disk> disks,
            final List<StreamPlace> places,
            final Self self,
            final Tracking tracking,
            final SecondaryOptions options,
            final GroupEvents events)
            throws IOException {
        if (!options.ofFormerPrimary()) {
            Succession.requireNoPrimary(self.node().record());
        }
        SecondaryDisks.requireWritable(disks);
        PrivateFiles.makeDirectories(options.page().toAbsolutePath().getParent());
        final SecondaryGroup group =
                new SecondaryGroup(loop, disks, places, self, tracking, options, events);
        group.resume();
        return group;
    }

    private void resume() {
        if (!remark.isEmpty()) {
            events.notRecorded(remark);
        }
        if (page.state() == GroupPage.ALONE) {
            end.goOn(SecondaryEvents.endedBefore(), false);
            disks.forEach(SecondaryDisk::standAlone); // killed while it was tidying up
            standAlone();
            return;
        }
        checkpoints.goOn();
        if (page.isBroken()) {
            error = events.brokenBefore();
        }
        if (page.state() == GroupPage.FAILED_OVER) {
            end.goOn(events.endedByFailover(), true);
            disks.forEach(SecondaryDisk::startMerge);
        }
        space.start();
    }

    /**
     * Has memory of the hidden disks touched while there is nothing else to do, at most 256 MiB of
     * all disks, so that a first epoch finds it: for a process that lives on.
     */
    public void prepareBuffers() {
        space.prepare(options.buffers());
    }

    /** What the primary writes to; a disk's export has its name. */
    public List<ServedExport> streamExports() {
        return disks.map(SecondaryDisk::streamExport);
    }

    /** What the secondary's guest uses; a disk's export has its name. */
    public List<ServedExport> guestExports() {
        return disks.map(SecondaryDisk::guestExport);
    }

    // ---- The four operations, and the halves of the second.

    @Override
    public Role role() {
        return Role.SECONDARY;
    }

    @Override
    public CompletableFuture<Void> start() {
        if (isOver()) {
            return CompletableFuture.completedFuture(null);
        }
        if (page.state() == GroupPage.RUNNING) {
            return fail("replication is already running");
        }
        error = null;
        page.broken(false);
        page.state(GroupPage.RUNNING);
        disks.forEach(SecondaryDisk::openToGuest);
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletableFuture<Long> seal() {
        return checkpoints.seal();
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        return checkpoints.commit(epoch);
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        return checkpoints.checkpoint();
    }

    boolean isOver() {
        return !end.sentence().isEmpty();
    }

    /** Why nothing is sealed or committed; null where it may be. */
    String refuseOperation() {
        if (isOver()) {
            return "replication is not running: " + end.sentence();
        }
        if (page.state() != GroupPage.RUNNING) {
            return "replication is not running";
        }
        return error == null ? null : error.sentence();
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        return failover ? end.failOver(false) : end.stop();
    }

    @Override
    public CompletableFuture<Void> failOver(final boolean isForced) {
        return end.failOver(isForced);
    }

    /**
     * This process replicates to its former primary where that hands its role over, and so takes
     * it.
     */
    public void allowRoleTaking() {
        roleTaking.allow();
    }

    @Override
    public CompletableFuture<Long> switchOver() {
        return roleTaking.want();
    }

    RoleTaking roleTaking() {
        return roleTaking;
    }

    /**
     * Whether it becomes something else in a moment, and nobody can attach, or be refused: it is
     * being recorded how replication ends, or that there is nothing to go back to; or it has taken
     * over, and handed over since.
     */
    boolean isChanging() {
        return end.isBeingRecorded() || succession.isChanging();
    }

    /** What goes from the buffers into the disks behind a failover. */
    public SecondaryMerge merge() {
        return merge;
    }

    /** Has the disks overwritten by the primary that comes next, once. */
    @Override
    public CompletableFuture<Void> join() {
        return succession.giveWay(tracking, spill);
    }

    Tracking tracking() {
        return tracking;
    }

    void onNotRecorded(final String sentence) {
        events.notRecorded(sentence);
    }

    boolean isClosed() {
        return isClosed;
    }

    /** The buffers go; what is left of the directory is the user's. */
    void standAlone() {
        hasBuffers = false;
        try {
            disks.deleteBuffers();
            spill.delete();
            page.delete();
            if (options.ownDirectory()) {
                Files.deleteIfExists(options.page().toAbsolutePath().getParent());
            }
        } catch (final IOException e) {
            events.buffersRemain(e);
        }
    }

    /** Removes buffers that have nothing; answers whether there are none. The loop has ended. */
    public boolean leaveNothing() {
        if (succession.isWithoutPast()) {
            standAlone();
        }
        return !hasBuffers;
    }

    // ---- What the disks ask and tell.

    IoLoop loop() {
        return loop;
    }

    Succession succession() {
        return succession;
    }

    SecondarySession session() {
        return session;
    }

    boolean hasBuffers() {
        return hasBuffers;
    }

    SecondaryDisks disks() {
        return disks;
    }

    SecondaryLengths lengths() {
        return lengths;
    }

    /** Has an action run on the loop whenever a disk has become longer. */
    public void onLengthened(final Runnable action) {
        lengths.onTaken(action);
    }

    /** Whether the node was never in a pair. */
    boolean isFresh() {
        return self.node().standing() == Standing.FRESH;
    }

    void attach(final int disk, final ControlSpace.Client client) {
        disks.get(disk).attach(client);
    }

    /** No primary is attached any more; connections of the one before end where that is said. */
    void detachAll(final Predicate<ControlSpace.Client> isEvicted) {
        disks.forEach(disk -> disk.detach(isEvicted));
        onLink();
    }

    void onCommitted() {
        disks.forEach(SecondaryDisk::onCommitted);
        committedNanos = loop.nanoTime();
    }

    /** The last committed epoch of which all is on stable storage. */
    Durability durability() {
        return durability;
    }

    /** The checkpoint that there is while a primary makes the disks equal. */
    KeptCheckpoint kept() {
        return kept;
    }

    @Override
    public void fenced() {
        succession.sharing().fenced();
    }

    void onLink() {
        if (session.link(disks.all(SecondaryDisk::isLinked))) {
            events.linked(session.isLinked());
        }
    }

    /** The primary has not been heard for as long as it may be silent. */
    void onSilent() {
        if (!isClosed) {
            disks.forEach(disk -> disk.detach(client -> true));
            session.link(false);
            events.silent(options.peerTimeout());
        }
    }

    boolean isStarted() {
        return !isClosed && hasBuffers && page.state() == GroupPage.RUNNING;
    }

    /**
     * Whether pre-images are saved: there is a checkpoint to go back to, or who writes is no
     * lockstep.
     */
    boolean isReplicating() {
        return isStarted() && self.node().standing() != Standing.INCONSISTENT;
    }

    /**
     * A primary begins to make the disks equal: in one epoch on all of them, the open one of that
     * which has sealed most, and at most the second behind a checkpoint that is kept, as there are
     * pre-images of two. Where none is, epochs go on behind those that the primary counts.
     */
    void beginCatchUp(final long epochThere) {
        final boolean isKept = succession.standing().isConsistent();
        final long most = isKept ? committedEpoch() + 1 : Long.MAX_VALUE;
        final long last = disks.goOnTogether(isKept ? 0 : epochThere, most);
        if (!isKept && last > committedEpoch()) {
            page.commit(last);
            checkpoints.goOn();
        }
        error = null;
        page.broken(false);
    }

    /** Why the stream is refused; empty where it is not. */
    String refusalOfChanges() {
        return isOver()
                ? "replication has ended: " + end.sentence()
                : error == null ? "" : error.sentence();
    }

    /** 0, or the error with which the stream is refused. */
    int errnoOfChanges() {
        if (isOver()) {
            return Errno.ESHUTDOWN;
        }
        return error != null ? Errno.EIO : 0;
    }

    long committedEpoch() {
        return checkpoints.committedEpoch();
    }

    SecondaryCheckpoints checkpoints() {
        return checkpoints;
    }

    long openEpoch() {
        return disks.openEpoch();
    }

    /** The last epoch that is sealed on every disk. */
    long sealedEpoch() {
        return hasBuffers ? disks.sealedEpoch() : committedEpoch();
    }

    int stateFlags() {
        return (isStarted() ? ControlRecord.STARTED : 0)
                | (end.isFailover() ? ControlRecord.FAILED_OVER : 0)
                | (error != null ? ControlRecord.BROKEN : 0)
                | roleTaking.flags();
    }

    void onBroken(
            final ReplicationError.Kind kind,
            final String disk,
            final long offset,
            final int errno,
            final String fullBuffer) {
        if (error != null) {
            return;
        }
        page.broken(true);
        error = events.describe(kind, disk, offset, errno, fullBuffer);
        events.broken(error);
    }

    void onGuestError(
            final String disk, final long offset, final int errno, final String fullBuffer) {
        events.guestError(disk, offset, errno, fullBuffer);
    }

    // ---- Status and end.

    @Override
    public Optional<NodeStatus> node() {
        return Optional.of(
                succession.status(
                        loop.nanoTime() - committedNanos,
                        disks.sum(SecondaryDisk::uncommittedLength),
                        disks.sum(SecondaryDisk::uncommittedWrites)));
    }

    @Override
    public Optional<ReplicationError> error() {
        return Optional.ofNullable(error);
    }

    @Override
    public String ending() {
        return end.sentence();
    }

    @Override
    public boolean hasFailedOver() {
        return end.isFailover();
    }

    @Override
    public Optional<Histogram> commitDurations() {
        return Optional.of(checkpoints.durations());
    }

    @Override
    public GroupStatus status() {
        return disks.status(this, state());
    }

    private GroupStatus.State state() {
        if (!hasBuffers || page.state() == GroupPage.ALONE) {
            return GroupStatus.State.ALONE;
        }
        if (page.state() == GroupPage.FAILED_OVER) {
            return GroupStatus.State.MERGING;
        }
        if (page.state() == GroupPage.IDLE) {
            return GroupStatus.State.IDLE;
        }
        return error == null ? GroupStatus.State.RUNNING : GroupStatus.State.BROKEN;
    }

    /**
     * Lets go of the buffers in good order, the disks being flushed: where they lie on a disk they
     * are brought to it first, however long that takes, and the host's next boot has them.
     *
     * @throws IOException where that fails; they are let go of all the same, for this boot
     */
    public void closeInGoodOrder() throws IOException {
        try {
            if (!isClosed && hasBuffers) {
                succession.keepForNextBoot(disks.list(), spill);
            }
        } finally {
            close();
        }
    }

    /**
     * Lets go of the buffers, and keeps them for this boot. Nothing of the exports is under way.
     */
    @Override
    public void close() {
        if (isClosed) {
            return;
        }
        isClosed = true;
        if (hasBuffers) {
            disks.forEach(SecondaryDisk::close);
            spill.close();
            page.close();
        }
    }
}
