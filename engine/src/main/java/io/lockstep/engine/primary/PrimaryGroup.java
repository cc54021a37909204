package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.server.ServedExport;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
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
    /** Epochs that may be uncommitted at a time, the open one included. */
    private static final int UNCOMMITTED_MAX = 2;

    private static final int SCAN_EXTENTS = 4;

    /**
     * What a primary is made of.
     *
     * @param logLength bytes of the forward log; a power of two of at least 64 KiB
     * @param fullLog what to do when it is full
     * @param assumeIdentical whether the user says that the disks are equal
     * @param lagNanosMax how old what the linked secondary has not answered may become before the
     *     guest's writes wait, so that a seal never has much before it; 0 for any age
     */
    public record Options(
            int logLength, FullLogPolicy fullLog, boolean assumeIdentical, long lagNanosMax) {
        /** With any lag. */
        public Options(
                final int logLength, final FullLogPolicy fullLog, final boolean assumeIdentical) {
            this(logLength, fullLog, assumeIdentical, 0);
        }
    }

    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private final List<Peer> peers;
    private final Options options;
    private final GroupEvents events;
    private final ForwardLog log;
    private final List<PrimaryDisk> disks = new ArrayList<>();
    private final boolean[] emptyDisks;
    private int scanCount;
    private final Link link;

    private final RoomQueue room;
    private final WakeUp linkWakeUp = new WakeUp();
    private final Runnable workTask = this::work;

    private GroupStatus.State state = GroupStatus.State.IDLE;
    private boolean isDetached;
    private boolean isLinked;
    private boolean isForeign;
    private ReplicationError error;
    private long openEpoch = 1;
    private long sealedEpoch;
    private long committedEpoch;
    private CompletableFuture<Void> started;
    private final NavigableMap<Long, CompletableFuture<Long>> seals = new TreeMap<>();
    private final NavigableMap<Long, CompletableFuture<Void>> commits = new TreeMap<>();

    private PrimaryGroup(
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final List<Disk> locals,
            final List<Peer> peers,
            final Options options,
            final GroupEvents events) {
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
        this.peers = List.copyOf(peers);
        this.options = options;
        this.events = events;
        log = new ForwardLog(options.logLength());
        room = new RoomQueue(guestLoop, this::isLate, this::onFullLog);
        emptyDisks = new boolean[locals.size()];
        for (final Disk local : locals) {
            disks.add(new PrimaryDisk(local, this, disks.size(), log));
        }
        final SecureRandom random = new SecureRandom();
        final SecondaryConnections.Session session =
                new SecondaryConnections.Session(
                        random.nextLong() | 1, random.nextLong(), options.assumeIdentical());
        link =
                new Link(
                        linkLoop,
                        peers.toArray(Peer[]::new),
                        disks.toArray(PrimaryDisk[]::new),
                        emptyDisks,
                        log,
                        session,
                        new LinkEvents());
    }

    /**
     * Opens a group; on the guest's loop. Guests may write at once: the log keeps it.
     *
     * @param guestLoop owns the group and the disks
     * @param linkLoop owns the link; may be the same
     * @param disks writable
     * @param peer where the secondary's replication exports are, which have the disks' names
     * @throws IOException where a disk can't be a primary's
     */
    public static PrimaryGroup open(
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final List<Disk> disks,
            final Endpoint peer,
            final Options options,
            final GroupEvents events)
            throws IOException {
        final List<Peer> peers = disks.stream().map(disk -> new Peer(peer, disk.name())).toList();
        return open(guestLoop, linkLoop, disks, peers, options, events);
    }

    /**
     * The same where each disk has a peer of its own.
     *
     * @param peers of the disks, in their order
     * @throws IOException where a disk can't be a primary's
     */
    public static PrimaryGroup open(
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final List<Disk> disks,
            final List<Peer> peers,
            final Options options,
            final GroupEvents events)
            throws IOException {
        for (final Disk disk : disks) {
            if (disk.isReadOnly()) {
                throw new IOException("disk " + disk.name() + " is read-only; a primary writes it");
            }
        }
        final PrimaryGroup group =
                new PrimaryGroup(guestLoop, linkLoop, disks, peers, options, events);
        for (int i = 0; i < disks.size(); i++) {
            group.scan(i, disks.get(i));
        }
        return group;
    }

    /** A disk without any data equals another one of that kind. */
    private void scan(final int number, final Disk disk) {
        scanCount++;
        final ExtentList extents = new ExtentList(SCAN_EXTENTS);
        disk.extents(
                0,
                disk.length(),
                extents,
                (token, errno) -> {
                    emptyDisks[number] =
                            errno == 0
                                    && extents.totalLength() == disk.length()
                                    && extents.isHole();
                    scanCount--;
                    startLink();
                },
                0);
        disk.poll();
    }

    private String peer() {
        return peers.getFirst().server().toString();
    }

    /** The disks as the guest uses them, in order. */
    public List<Disk> guestDisks() {
        return List.copyOf(disks);
    }

    /** What the guest uses; a disk's export has its name. */
    public List<ServedExport> guestExports() {
        return disks.stream()
                .map(disk -> ServedExport.of(disk, "primary disk " + disk.name()))
                .toList();
    }

    // ---- The four operations, and the halves of the second.

    @Override
    public Role role() {
        return Role.PRIMARY;
    }

    @Override
    public CompletableFuture<Void> start() {
        if (state == GroupStatus.State.ALONE) {
            return CompletableFuture.completedFuture(null);
        }
        if (state != GroupStatus.State.IDLE) {
            return fail("replication is already running");
        }
        state = GroupStatus.State.RUNNING;
        started = new CompletableFuture<>();
        startLink();
        return started;
    }

    /** The link says which disks are empty: all must have been looked at. */
    private void startLink() {
        if (state == GroupStatus.State.RUNNING && scanCount == 0) {
            linkLoop.execute(link::start);
        }
    }

    @Override
    public CompletableFuture<Long> seal() {
        return seal(0);
    }

    private CompletableFuture<Long> seal(final int flags) {
        final String refusal = refuseOperation();
        if (refusal != null) {
            return fail(refusal);
        }
        if (!started.isDone()) {
            // It is the secondary that knows which epoch is open.
            return fail("the secondary is not attached yet; checkpoint when it is");
        }
        if (openEpoch + 1 > committedEpoch + UNCOMMITTED_MAX) {
            return fail("epoch " + (openEpoch - 1) + " is not committed yet; commit it first");
        }
        final long epoch = openEpoch++;
        final CompletableFuture<Long> sealed = new CompletableFuture<>();
        seals.put(epoch, sealed);
        final RoomQueue.Waiting entry = () -> enterSeals(epoch, flags);
        // What waits for room is in no epoch yet: it holds no seal up.
        if (!entry.enterAgain()) {
            waitForRoom(entry);
        }
        return sealed;
    }

    /** All disks' at one place of the log: what is before belongs to the epoch. */
    private boolean enterSeals(final long epoch, final int flags) {
        if (isDetached) {
            return true; // whoever waited has been told
        }
        if (!log.hasFrames(disks.size())) {
            return false;
        }
        for (int i = 0; i < disks.size(); i++) {
            log.decide(log.claim(ForwardLog.Kind.SEAL, i, epoch, 0, flags, nanoTime()), true);
        }
        onDecided();
        return true;
    }

    @Override
    public CompletableFuture<Void> commit(final long epoch) {
        final String refusal = refuseOperation();
        if (refusal != null) {
            return fail(refusal);
        }
        if (epoch <= committedEpoch) {
            return CompletableFuture.completedFuture(null);
        }
        if (epoch > sealedEpoch) {
            return fail(
                    "epoch "
                            + epoch
                            + " can't be committed: the last one that is sealed is "
                            + sealedEpoch);
        }
        linkLoop.execute(() -> link.commit(epoch));
        return commits.computeIfAbsent(epoch, absent -> new CompletableFuture<>());
    }

    @Override
    public CompletableFuture<Long> checkpoint() {
        if (state == GroupStatus.State.ALONE) {
            return CompletableFuture.completedFuture(committedEpoch);
        }
        if (isForeign) {
            return fail(
                    "the secondary at "
                            + peer()
                            + " is no lockstep and knows no epochs: start the primary with"
                            + " --peer-qmp; or seal (x-lockstep-seal), checkpoint the secondary in"
                            + " its own way, and commit (x-lockstep-commit)");
        }
        // Most often the seals commit as well, and the commit finds itself done.
        return seal(ControlRecord.AND_COMMIT)
                .thenCompose(epoch -> commit(epoch).thenApply(done -> epoch));
    }

    private String refuseOperation() {
        if (error != null) {
            return error.sentence();
        }
        return state == GroupStatus.State.RUNNING ? null : "replication is not running";
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    @Override
    public CompletableFuture<Void> stop(final boolean failover) {
        if (state == GroupStatus.State.IDLE) {
            return fail("replication is not running");
        }
        if (state != GroupStatus.State.ALONE) {
            state = GroupStatus.State.ALONE;
            goAlone("replication was stopped", link::leave);
        }
        return CompletableFuture.completedFuture(null);
    }

    /**
     * Runs an action when the secondary has answered all that is in the log now, or when
     * replication has ended.
     */
    public void drain(final Runnable whenDrained) {
        final long end = log.appended();
        final RoomQueue.Waiting entry =
                () -> {
                    final boolean isOver = isDetached || log.released() >= end;
                    if (isOver) {
                        whenDrained.run();
                    }
                    return isOver;
                };
        if (!entry.enterAgain()) {
            room.addDrain(entry);
        }
    }

    // ---- What the disks ask and tell, on the guest's loop.

    long nanoTime() {
        return guestLoop.nanoTime();
    }

    boolean isDetached() {
        return isDetached;
    }

    /** Whether nobody waits before whoever asks, and the secondary keeps up. */
    boolean mayEnter() {
        return room.isEmpty() && !isLate();
    }

    /** Whether the secondary is further behind than it may be: one that is there, and is ours. */
    private boolean isLate() {
        if (options.lagNanosMax() == 0 || !isLinked || isForeign) {
            return false;
        }
        final long released = log.released();
        return released < log.appended()
                && nanoTime() - log.timeNanos(released) > options.lagNanosMax();
    }

    /** The log is full. */
    void waitForRoom(final RoomQueue.Waiting entry) {
        onFullLog();
        waitForTurn(entry);
    }

    /** The secondary is late, or others wait already. */
    void waitForTurn(final RoomQueue.Waiting entry) {
        room.add(entry);
    }

    /** Does what the policy says. */
    private void onFullLog() {
        if (options.fullLog() == FullLogPolicy.DETACH && !isDetached) {
            giveUp(
                    GroupEvents.Event.DETACHED,
                    new ReplicationError(
                            ReplicationError.Kind.FORWARD,
                            "",
                            -1,
                            "ENOSPC",
                            "the forward log is full: the secondary was given up, and the guest"
                                    + " goes on; set replication up anew"));
        }
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

    void onGuestError(final String disk, final long offset, final int errno) {
        events.onEvent(
                GroupEvents.Event.GUEST_IO_ERROR,
                disk,
                committedEpoch,
                "disk "
                        + disk
                        + ": a request of the guest at "
                        + offset
                        + " failed: "
                        + Errno.meaning(errno)
                        + " ("
                        + Errno.name(errno)
                        + ")");
    }

    /** A change has failed, and what it left can't be read: it can't be forwarded. */
    void onUnknown(final String disk, final long offset, final int errno) {
        if (state != GroupStatus.State.RUNNING) {
            return;
        }
        giveUp(
                GroupEvents.Event.REPLICATION_ERROR,
                new ReplicationError(
                        ReplicationError.Kind.FORWARD,
                        disk,
                        offset,
                        Errno.name(errno),
                        "disk "
                                + disk
                                + ": a request of the guest at "
                                + offset
                                + " failed, and what it left there can't be read: "
                                + Errno.meaning(errno)
                                + "; the secondary was given up, and the guest goes on; see to the"
                                + " disk, then set replication up anew"));
    }

    // ---- The link, told on the guest's loop.

    private void onUp(final boolean nowForeign, final long sealed, final long committed) {
        if (state != GroupStatus.State.RUNNING) {
            return;
        }
        isLinked = true;
        isForeign = nowForeign;
        if (!started.isDone()) {
            openEpoch = sealed + 1;
            sealedEpoch = sealed;
        }
        onCommitted(committed);
        events.onEvent(
                GroupEvents.Event.LINK_UP,
                "",
                committedEpoch,
                "linked to the secondary at " + peer());
        started.complete(null);
        commits.keySet().forEach(epoch -> linkLoop.execute(() -> link.commit(epoch)));
    }

    private void onDown(final String reason) {
        isLinked = false;
        room.tell(); // who waited for a late secondary does not wait for one that is gone
        events.onEvent(
                GroupEvents.Event.LINK_DOWN,
                "",
                committedEpoch,
                "the link to the secondary at " + peer() + " is cut, and tried again: " + reason);
    }

    private void onRefused(
            final String disk, final long offset, final int errno, final String reason) {
        if (state != GroupStatus.State.RUNNING) {
            return;
        }
        giveUp(
                GroupEvents.Event.REPLICATION_ERROR,
                new ReplicationError(
                        ReplicationError.Kind.FORWARD,
                        disk,
                        offset,
                        Errno.name(errno),
                        "the secondary at " + peer() + " refused: " + reason));
    }

    private void giveUp(final GroupEvents.Event event, final ReplicationError cause) {
        error = cause;
        state = GroupStatus.State.BROKEN;
        events.onEvent(event, cause.disk(), committedEpoch, cause.sentence());
        goAlone(cause.sentence(), link::end);
    }

    /** From now on changes go to the local disk, and what the secondary lacks is noted. */
    private void goAlone(final String reason, final Runnable endOfLink) {
        isDetached = true;
        isLinked = false;
        for (long frame = log.released(); frame < log.appended(); frame++) {
            if (log.kind(frame) != ForwardLog.Kind.SEAL) {
                disks.get(log.disk(frame)).dirty().mark(log.offset(frame), log.length(frame));
            }
        }
        linkLoop.execute(endOfLink);
        failAll(seals, reason);
        failAll(commits, reason);
        if (started != null && !started.isDone()) {
            started.completeExceptionally(new GroupException(reason));
        }
        room.tell();
    }

    private static <T> void failAll(
            final Map<Long, CompletableFuture<T>> futures, final String reason) {
        final List<CompletableFuture<T>> all = List.copyOf(futures.values());
        futures.clear();
        all.forEach(future -> future.completeExceptionally(new GroupException(reason)));
    }

    private void onSealed(final long epoch) {
        sealedEpoch = Math.max(sealedEpoch, epoch);
        final CompletableFuture<Long> sealed = seals.remove(epoch);
        if (sealed != null) {
            sealed.complete(epoch);
        }
    }

    private void onCommitted(final long epoch) {
        if (epoch <= committedEpoch) {
            return;
        }
        committedEpoch = epoch;
        events.onEvent(GroupEvents.Event.CHECKPOINT, "", epoch, "epoch " + epoch + " is committed");
        onSealed(epoch);
        final NavigableMap<Long, CompletableFuture<Void>> done = commits.headMap(epoch, true);
        final List<CompletableFuture<Void>> all = List.copyOf(done.values());
        done.clear();
        all.forEach(future -> future.complete(null));
    }

    /** Brings what the link tells to the guest's loop. */
    private final class LinkEvents implements Link.Owner {
        @Override
        public void onUp(final boolean nowForeign, final long sealed, final long committed) {
            guestLoop.execute(() -> PrimaryGroup.this.onUp(nowForeign, sealed, committed));
        }

        @Override
        public void onDown(final String reason) {
            guestLoop.execute(() -> PrimaryGroup.this.onDown(reason));
        }

        @Override
        public void onUnreachable(final String reason) {
            // The first attempts of a pair that is being started, or the next ones after a cut:
            // the status says that there is no link.
        }

        @Override
        public void onRefused(
                final String disk, final long offset, final int errno, final String reason) {
            guestLoop.execute(() -> PrimaryGroup.this.onRefused(disk, offset, errno, reason));
        }

        @Override
        public void onSealed(final long epoch) {
            guestLoop.execute(() -> PrimaryGroup.this.onSealed(epoch));
        }

        @Override
        public void onCommitted(final long epoch) {
            guestLoop.execute(() -> PrimaryGroup.this.onCommitted(epoch));
        }

        @Override
        public void onReleased() {
            room.onReleased();
        }
    }

    // ---- Status and end.

    @Override
    public Optional<ReplicationError> error() {
        return Optional.ofNullable(error);
    }

    @Override
    public GroupStatus status() {
        return new GroupStatus(
                Role.PRIMARY,
                state,
                peer() + (isForeign ? " (not a lockstep)" : ""),
                isLinked,
                openEpoch,
                sealedEpoch,
                committedEpoch,
                isDetached ? 0 : log.usedLength(),
                isDetached ? 0 : lagNanos(),
                isDetached ? 0 : log.usedLength(),
                log.capacity(),
                0,
                0,
                disks.stream().map(PrimaryGroup::status).toList());
    }

    /** How old the oldest data is that the secondary has not answered. */
    private long lagNanos() {
        for (long frame = log.released(); frame < log.appended(); frame++) {
            if (log.kind(frame) == ForwardLog.Kind.WRITE
                    || log.kind(frame) == ForwardLog.Kind.ZERO) {
                return Math.max(0, nanoTime() - log.timeNanos(frame));
            }
        }
        return 0;
    }

    private static GroupStatus.DiskStatus status(final PrimaryDisk disk) {
        return new GroupStatus.DiskStatus(
                disk.name(),
                disk.length(),
                disk.writeCount(),
                disk.writtenLength(),
                0,
                0,
                disk.dirty().markedLength());
    }

    /**
     * Ends the link and gives the log's memory back, while both loops go on. The guests use the
     * disks no more.
     */
    public void release() {
        linkLoop.execute(
                () -> {
                    link.cut();
                    guestLoop.execute(log::close);
                });
    }

    /** Gives the log's memory back. The guests have gone, and the link's loop has ended. */
    @Override
    public void close() {
        log.close();
    }

    @Override
    public String toString() {
        return "primary of " + Arrays.toString(disks.stream().map(PrimaryDisk::name).toArray());
    }
}
