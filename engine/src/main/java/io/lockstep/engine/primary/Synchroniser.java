package io.lockstep.engine.primary;

import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.throttle.Throttle;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Sends a secondary what it lacks: runs of blocks out of the disks' sets, in ascending order, each
 * as a write of what the local disk holds in its turn, or as a zero where that is a hole. Where it
 * is not known what the secondary lacks, what both hold is compared. When nothing is left it makes
 * the checkpoint with which the secondary is equal.
 *
 * <p>A cut costs nothing: what is in the log is sent again, and what is in a set still is. On the
 * guest's loop. See docs/healing.md.
 */
final class Synchroniser implements Job, Feed.Source, ComparingWalk.Owner, AutoCloseable {
    /** Hears how it goes. */
    interface Owner {
        /** It is known that the secondary is not equal; the sets have what is to be sent. */
        void onBegun();

        /** All that was to be sent is in the log; the checkpoint is made. */
        void onSent();

        /** The secondary is equal, as of that checkpoint. */
        void onCaughtUp();

        /** What the secondary has noted itself of a disk is asked for, over the link that is up. */
        void askForTail(int disk);

        /** All that it has noted is in the sets, and noted here. */
        void onTailsNoted();

        /** As a job it stands otherwise than before. */
        void onJob(Job.Report report);

        /** It was cancelled: nothing more goes into the log. */
        void onCancelled();

        /** The local disk can't be read. */
        void onUnreadable(String disk, long offset, int errno);
    }

    private enum Phase {
        NONE,
        /** The guest is ahead; what is to be sent is known when the secondary attaches anew. */
        SUSPENDED,
        /** It is known what to send, and the link is not up for it yet. */
        PREPARED,
        SENDING,
        /** The checkpoint is under way. */
        SEALING,
        /** The guest is ahead until somebody wants it otherwise, or the secondary comes anew. */
        CANCELLED
    }

    /** A write's, in bytes: few long ones cost less, and the secondary's cache holds one. */
    private static final int PIECE_LENGTH = 1 << 20;

    /** A zero's, in bytes: it costs the link next to nothing. */
    private static final long HOLE_LENGTH = 16L << 20;

    /** What a zero counts for, of what is on the way. */
    private static final long HOLE_COST = 64 << 10;

    private static final int BLOCK_LENGTH = BlockSet.BLOCK_LENGTH;

    private final IoLoop loop;
    private final List<PrimaryDisk> disks;
    private final Owner owner;
    private final Feed feed;
    private final Holes holes;
    private final ComparingWalk walk;

    /** By disk: whether there is nothing but holes at the secondary. */
    private final boolean[] isEmptyThere;

    /** By disk: whether what the secondary has noted itself is to be asked for. */
    private final boolean[] isTailOpen;

    private Phase phase = Phase.NONE;
    private boolean isPaused;

    /** What was told of the job last. */
    private State told = State.COMPLETED;

    private long total;
    private long startNanos;

    /**
     * None is under way.
     *
     * @param reads limits what is read to be sent
     */
    Synchroniser(
            final IoLoop loop,
            final List<PrimaryDisk> disks,
            final Throttle reads,
            final Owner owner) {
        this.loop = loop;
        this.disks = disks;
        this.owner = owner;
        feed = new Feed(loop, disks, reads, this);
        holes = new Holes(disks, feed::send);
        walk = new ComparingWalk(disks, holes, feed, this);
        isEmptyThere = new boolean[disks.size()];
        isTailOpen = new boolean[disks.size()];
    }

    /** Whether the secondary is not equal yet. */
    boolean isUnderWay() {
        return phase != Phase.NONE;
    }

    /** Whether it was cancelled, and the secondary is not equal for that. */
    boolean isCancelled() {
        return phase == Phase.CANCELLED;
    }

    /** Whether it waits for the link to be up for the first time. */
    boolean isPrepared() {
        return phase == Phase.PREPARED;
    }

    /** Whether all that was to be sent is in the log, and the secondary is not equal yet. */
    boolean isSealing() {
        return phase == Phase.SEALING;
    }

    private boolean isBegun() {
        return phase == Phase.SENDING || phase == Phase.SEALING;
    }

    /** How far it is; empty where none is under way. */
    Optional<SynchronisationStatus> status() {
        return isUnderWay()
                ? Optional.of(
                        new SynchronisationStatus(
                                left(),
                                isBegun() ? total : left(),
                                isBegun() ? loop.nanoTime() - startNanos : 0,
                                state(),
                                isPaused,
                                feed.speed()))
                : Optional.empty();
    }

    /** One begins: each disk's set is what is noted, and what more is to be sent is said behind. */
    void prepare() {
        phase = Phase.PREPARED;
        holes.forget();
        for (int i = 0; i < disks.size(); i++) {
            isEmptyThere[i] = false;
            isTailOpen[i] = false;
            disks.get(i).prepareToSend();
        }
        onBegun();
    }

    private void onBegun() {
        owner.onBegun();
        tell();
    }

    // ---- By hand.

    private State state() {
        return switch (phase) {
            case NONE -> State.COMPLETED;
            case CANCELLED -> State.CANCELLED;
            case SEALING -> State.READY;
            case SENDING -> State.RUNNING;
            // A job that has begun does not begin again when the secondary attaches anew.
            case SUSPENDED, PREPARED -> told == State.RUNNING ? State.RUNNING : State.CREATED;
        };
    }

    /** A job has come, or stands otherwise. */
    private void tell() {
        final State now = state();
        if (now != told) {
            told = now;
            owner.onJob(report());
        }
    }

    @Override
    public Report report() {
        return report(state(), "");
    }

    private Report report(final State state, final String error) {
        final long left = left();
        final long all = isBegun() ? Math.max(total, left) : left;
        return new Report(
                Kind.SYNCHRONISATION, state, isPaused, all - left, all, feed.speed(), error);
    }

    @Override
    public void pause() {
        setPaused(true);
    }

    @Override
    public void resume() {
        setPaused(false);
    }

    private void setPaused(final boolean nowPaused) {
        if (isPaused != nowPaused) {
            isPaused = nowPaused;
            owner.onJob(report());
            if (!isPaused) {
                feed.resume();
            }
        }
    }

    /**
     * The guest goes on without the secondary, which keeps what it has; what it lacks stays noted.
     * One that is in its last checkpoint comes to its end instead.
     */
    @Override
    public void cancel() {
        if (phase == Phase.SENDING || phase == Phase.PREPARED || phase == Phase.SUSPENDED) {
            phase = Phase.CANCELLED;
            isPaused = false;
            holes.forget();
            feed.end();
            owner.onCancelled();
            tell();
        }
    }

    @Override
    public void speed(final long bytes) {
        feed.speed(bytes);
    }

    // ---- Its life.

    /** The same where no more is to be sent than what the sets have by now. */
    void prepareRest() {
        phase = Phase.PREPARED;
        holes.forget();
        walk.giveUp();
        Arrays.fill(isEmptyThere, false); // something was sent, and may have become a hole here
        onBegun();
    }

    /** The guest pulls ahead; the sets keep what is still to be sent, and get what it changes. */
    void suspend() {
        phase = Phase.SUSPENDED;
        holes.forget();
        feed.end();
        onBegun();
    }

    /**
     * It is not known what the secondary lacks of a disk: all of it is compared; or sent, where
     * there is nothing yet, but for holes.
     */
    void prepareAll(final int disk, final boolean isEmpty) {
        final OutOfSync all = disks.get(disk).outOfSync();
        isEmptyThere[disk] = isEmpty;
        all.clear();
        if (isEmpty) {
            all.waiting().addAll();
        } else {
            all.unknown().addAll();
        }
    }

    /** All of every disk is sent, and what is a hole as zeroes, whatever the other side has. */
    void prepareFull() {
        prepare();
        for (final PrimaryDisk disk : disks) {
            disk.outOfSync().waiting().addAll();
        }
    }

    /** The secondary was the primary before, and has noted what it wrote behind the checkpoint. */
    void prepareTail(final int disk) {
        isTailOpen[disk] = true;
    }

    /** What the secondary has noted of a disk is in the set. */
    void onTail(final int disk) {
        isTailOpen[disk] = false;
        if (!hasOpenTail()) {
            owner.onTailsNoted();
        }
        feed.send();
    }

    private boolean hasOpenTail() {
        boolean isOpen = false;
        for (final boolean isOne : isTailOpen) {
            isOpen |= isOne;
        }
        return isOpen;
    }

    /** The link is up, in a session. */
    void onUp(final Id session) {
        if (phase == Phase.PREPARED) {
            phase = Phase.SENDING;
            walk.begin(session);
            feed.begin();
            total = left();
            startNanos = loop.nanoTime();
            tell();
        }
        for (int i = 0; i < isTailOpen.length; i++) {
            if (isTailOpen[i]) {
                owner.askForTail(i);
            }
        }
        feed.send();
    }

    /** The checkpoint with which the secondary is equal is made. */
    void onCommitted() {
        if (phase == Phase.SEALING) {
            phase = Phase.NONE;
            isPaused = false;
            owner.onCaughtUp();
            tell();
        }
    }

    /**
     * There is none any more.
     *
     * @param error why the secondary was given up; empty where somebody wanted it so
     */
    void end(final String error) {
        if (isUnderWay() && !isCancelled()) {
            told = error.isEmpty() ? State.CANCELLED : State.FAILED;
            owner.onJob(report(told, error));
        }
        phase = Phase.NONE;
        isPaused = false;
        feed.end();
        holes.forget();
        disks.forEach(disk -> disk.outOfSync().clear());
    }

    /** Bytes of a disk that are still to be sent or compared. */
    long left(final int disk) {
        return isUnderWay() ? disks.get(disk).outOfSync().length() : 0;
    }

    private long left() {
        return disks.stream().mapToLong(disk -> disk.outOfSync().length()).sum();
    }

    // ---- Sending.

    @Override
    public boolean mayGoOn() {
        return phase == Phase.SENDING && !isPaused && !holes.isLooking();
    }

    @Override
    public void onNothingLeft() {
        phase = Phase.SEALING;
        feed.end();
        tell();
        owner.onSent();
    }

    @Override
    public Feed.Step next() {
        for (int i = 0; i < disks.size(); i++) {
            final long block = next(i, disks.get(i).outOfSync().waiting());
            if (block >= 0) {
                return sendRun(i, block);
            }
        }
        for (int i = 0; i < disks.size(); i++) {
            final long block = next(i, disks.get(i).outOfSync().unknown());
            if (block >= 0) {
                return compareRun(i, block);
            }
        }
        return walk.isIdle() && !hasOpenTail() ? Feed.Step.NOTHING_LEFT : Feed.Step.WAITS;
    }

    /** Goes on where it is known what is a hole. */
    private long next(final int number, final BlockSet blocks) {
        final long block = blocks.next(holes.knownFrom(number) / BLOCK_LENGTH);
        return block < 0 ? blocks.next(0) : block;
    }

    private Feed.Step sendRun(final int number, final long block) {
        final PrimaryDisk disk = disks.get(number);
        final long offset = block * BLOCK_LENGTH;
        if (!holes.isKnown(number, offset)) {
            holes.look(number, offset);
            return Feed.Step.LOOKS;
        }
        final OutOfSync outOfSync = disk.outOfSync();
        final long holeLengthMax = isEmptyThere[number] ? Long.MAX_VALUE : HOLE_LENGTH;
        final long known =
                Math.min(
                        holes.wasHole(offset) ? holeLengthMax : dataLengthMax(disk),
                        holes.end() - offset);
        final long runEnd =
                outOfSync.waiting().runEnd(block, Math.max(1, known / BLOCK_LENGTH)) * BLOCK_LENGTH;
        final long end = Math.min(runEnd, disk.length());
        final boolean isHole = holes.isHole(number, offset, end);
        if (isHole && isEmptyThere[number]) {
            outOfSync.remove(offset, end);
            return Feed.Step.SENT;
        }
        final long dataEnd = isHole ? end : Math.min(end, offset + dataLengthMax(disk));
        final long frame = feed.mayEnter(disk.lane()) ? disk.forward(offset, dataEnd, isHole) : -1;
        if (frame < 0) {
            return Feed.Step.NO_ROOM;
        }
        final long length = isHole ? HOLE_COST : dataEnd - offset;
        feed.took(frame, length, length);
        if (!isHole) {
            feed.read(length);
        }
        return Feed.Step.SENT;
    }

    private int dataLengthMax(final PrimaryDisk disk) {
        return Math.min(feed.lengthMax(PIECE_LENGTH), disk.lane().log().payloadLengthMax());
    }

    // ---- Comparing.

    private Feed.Step compareRun(final int number, final long block) {
        final long start = block * BLOCK_LENGTH / PieceHash.PIECE_LENGTH * PieceHash.PIECE_LENGTH;
        final long end =
                Math.min(
                        start + feed.lengthMax(ComparingWalk.LENGTH_MAX),
                        disks.get(number).length());
        return walk.compare(number, start, end);
    }

    /** What was in a frame of a disk has been compared; perhaps nothing of this. */
    void onCompared(final int disk, final long frame, final long differing) {
        walk.onCompared(disk, frame, differing);
        feed.send();
    }

    @Override
    public void onPiece(
            final int disk, final long start, final long end, final ComparingWalk.Finding finding) {
        switch (finding) {
            case EQUAL -> {}
            case DIFFERS -> disks.get(disk).outOfSync().waiting().add(start, end);
            case NOT_COMPARED -> disks.get(disk).outOfSync().unknown().add(start, end);
        }
    }

    @Override
    public void onUnreadable(final int disk, final long start, final int errno) {
        owner.onUnreadable(disks.get(disk).name(), start, errno);
    }

    /** Gives its memory back. Nothing of it is under way. */
    @Override
    public void close() {
        feed.close();
        walk.close();
    }
}
