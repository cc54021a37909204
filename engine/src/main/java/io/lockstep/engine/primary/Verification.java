package io.lockstep.engine.primary;

import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.VerificationStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.throttle.Throttle;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * Compares all disks with those of a secondary that should be equal, in the stream's order, so that
 * the guest's writes on their way are no differences. What differs is noted first, and sent then as
 * it is here: the next checkpoint has it. Checkpoints and guests go on. On the guest's loop; one
 * from its beginning to its end, over cuts of the link. See docs/healing.md.
 */
final class Verification implements Job, Feed.Source, ComparingWalk.Owner, AutoCloseable {
    /** Hears how it goes. */
    interface Owner {
        /** It stands otherwise than before; perhaps it has ended. */
        void onVerification(Verification verification);
    }

    /** A write's, in bytes. */
    private static final int PIECE_LENGTH = 256 << 10;

    private static final int BLOCK_LENGTH = BlockSet.BLOCK_LENGTH;

    private final IoLoop loop;
    private final List<PrimaryDisk> disks;
    private final Owner owner;
    private final Feed feed;
    private final Holes holes;
    private final ComparingWalk walk;
    private final long startNanos;

    /** Where it is: all before was put into the log, but for what is to be compared again. */
    private int disk;

    private long offset;
    private final Queue<Range> again = new ArrayDeque<>();

    /** By disk: what differs, and is still to be sent. */
    private final List<BlockSet> differing = new ArrayList<>();

    private final List<VerificationStatus.Piece> first = new ArrayList<>();
    private State state = State.RUNNING;
    private boolean isPaused;
    private long compared;
    private long differingLength;
    private long pieces;
    private long endNanos;
    private String ending = "";

    /** What is to be compared once more. */
    private record Range(int disk, long start, long end) {}

    Verification(
            final IoLoop loop, final List<PrimaryDisk> disks, final Id session, final Owner owner) {
        this.loop = loop;
        this.disks = disks;
        this.owner = owner;
        feed = new Feed(loop, disks, Throttle.NONE, this);
        holes = new Holes(disks, feed::send);
        walk = new ComparingWalk(disks, holes, feed, this);
        walk.begin(session);
        disks.forEach(each -> differing.add(new BlockSet(each.length())));
        startNanos = loop.nanoTime();
    }

    /** Begins. */
    void begin() {
        feed.begin();
        owner.onVerification(this);
        feed.send();
    }

    boolean isUnderWay() {
        return state == State.RUNNING;
    }

    /** Whether nothing of it is under way any more. */
    boolean isOver() {
        return !isUnderWay() && !isBehind();
    }

    /** Whether something was found to differ that is not in the log yet. */
    boolean isBehind() {
        return differing.stream().anyMatch(set -> !set.isEmpty());
    }

    /** How far it is, and what it has found. */
    VerificationStatus status() {
        final long end = isUnderWay() ? loop.nanoTime() : endNanos;
        return new VerificationStatus(
                state,
                isPaused,
                compared,
                total(),
                differingLength,
                pieces,
                first,
                disks.stream().map(PrimaryDisk::name).toList(),
                end - startNanos,
                isUnderWay() ? 0 : loop.nanoTime() - end,
                ending);
    }

    private long total() {
        return disks.stream().mapToLong(PrimaryDisk::length).sum();
    }

    // ---- By hand.

    @Override
    public Report report() {
        return new Report(
                Kind.VERIFICATION,
                state,
                isPaused,
                compared,
                total(),
                feed.speed(),
                state == State.FAILED ? ending : "");
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
        if (isUnderWay() && isPaused != nowPaused) {
            isPaused = nowPaused;
            owner.onVerification(this);
            if (!isPaused) {
                feed.resume();
            }
        }
    }

    @Override
    public void cancel() {
        end(State.CANCELLED, "it was cancelled");
    }

    @Override
    public void speed(final long bytes) {
        feed.speed(bytes);
    }

    /** It can't go on. What was found to differ is sent. */
    void fail(final String reason) {
        end(State.FAILED, reason);
    }

    /** A synchronisation goes on with what was found to differ. */
    void giveWay(final String reason) {
        for (int i = 0; i < disks.size(); i++) {
            final BlockSet set = differing.get(i);
            final BlockSet waiting = disks.get(i).outOfSync().waiting();
            for (long block = set.next(0); block >= 0; block = set.next(block + 1)) {
                waiting.add(block);
            }
            set.clear();
        }
        fail(reason);
    }

    private void end(final State how, final String reason) {
        if (isUnderWay()) {
            state = how;
            ending = reason;
            endNanos = loop.nanoTime();
            feed.end();
            holes.forget();
            walk.giveUp();
            owner.onVerification(this);
        }
    }

    // ---- Comparing, and sending what differs.

    @Override
    public boolean mayGoOn() {
        return (isUnderWay() || isBehind()) && !holes.isLooking();
    }

    @Override
    public Feed.Step next() {
        for (int i = 0; i < disks.size(); i++) {
            final long block = differing.get(i).next(0);
            if (block >= 0) {
                return send(i, block);
            }
        }
        if (isPaused || !isUnderWay()) {
            return Feed.Step.WAITS;
        }
        if (!again.isEmpty()) {
            final Range range = again.element();
            final Feed.Step step = walk.compare(range.disk, range.start, range.end);
            if (step == Feed.Step.SENT) {
                again.remove();
            }
            return step;
        }
        while (disk < disks.size() && offset >= disks.get(disk).length()) {
            disk++;
            offset = 0;
        }
        if (disk == disks.size()) {
            return walk.isIdle() ? Feed.Step.NOTHING_LEFT : Feed.Step.WAITS;
        }
        final long end =
                Math.min(
                        offset + feed.lengthMax(ComparingWalk.LENGTH_MAX),
                        disks.get(disk).length());
        final Feed.Step step = walk.compare(disk, offset, end);
        if (step == Feed.Step.SENT) {
            offset = end;
        }
        return step;
    }

    /** The whole run, which is a piece, or a few. */
    private Feed.Step send(final int number, final long block) {
        final PrimaryDisk from = disks.get(number);
        final BlockSet set = differing.get(number);
        final int lengthMax = Math.min(PIECE_LENGTH, from.lane().log().payloadLengthMax());
        final long start = block * BLOCK_LENGTH;
        final long end =
                Math.min(set.runEnd(block, lengthMax / BLOCK_LENGTH) * BLOCK_LENGTH, from.length());
        final boolean isHole = holes.isHole(number, start, end);
        final long frame = feed.mayEnter(from.lane()) ? from.forward(start, end, isHole) : -1;
        if (frame < 0) {
            return Feed.Step.NO_ROOM;
        }
        set.removeWhole(start, end, from.length());
        feed.took(frame, end - start, end - start);
        return Feed.Step.SENT;
    }

    /** What was in a frame of a disk has been compared; perhaps nothing of this. */
    void onCompared(final int ofDisk, final long frame, final long bits) {
        walk.onCompared(ofDisk, frame, bits);
        feed.send();
    }

    @Override
    public void onPiece(
            final int number,
            final long start,
            final long end,
            final ComparingWalk.Finding finding) {
        switch (finding) {
            case EQUAL -> compared += end - start;
            case DIFFERS -> {
                compared += end - start;
                onDifference(number, start, end);
            }
            case NOT_COMPARED -> again.add(new Range(number, start, end));
        }
    }

    private void onDifference(final int number, final long start, final long end) {
        final PrimaryDisk found = disks.get(number);
        found.noteDifference(start, end);
        differing.get(number).add(start, end);
        pieces++;
        differingLength += end - start;
        if (first.size() < VerificationStatus.LISTED_MAX) {
            first.add(new VerificationStatus.Piece(found.name(), start, end - start));
        }
    }

    @Override
    public void onUnreadable(final int number, final long start, final int errno) {
        fail(PrimaryEvents.unreadable(disks.get(number).name(), start, errno));
    }

    /** And all that differs is in the log. */
    @Override
    public void onNothingLeft() {
        end(State.COMPLETED, "");
    }

    /** Gives its memory back. Nothing of it is under way. */
    @Override
    public void close() {
        walk.close();
    }
}
