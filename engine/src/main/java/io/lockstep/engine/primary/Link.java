package io.lockstep.engine.primary;

import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.throttle.Throttle;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The primary's end of the link: sends what is decided in the forward log, in its order, to the
 * secondary's exports, one connection a disk, and releases what was answered. Connects again after
 * a cut, and sends again from the oldest frame that was not released.
 *
 * <p>To a secondary of our own kind frames follow each other without waiting: it keeps overlapping
 * ones in order. A foreign server may reorder: there a frame waits until none is in flight that it
 * overlaps, and at a seal everything waits until the manager has committed.
 *
 * <p>All on the link's loop. In steady state nothing is allocated.
 */
final class Link {
    private static final int FOREIGN_IN_FLIGHT_MAX = 64;

    private static final int FRAMES_PER_TURN = 256;

    private final IoLoop loop;
    private final PrimaryDisk[] disks;
    private final LinkOwner owner;
    private final SecondaryConnections connections;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
    private final Disk.Completion onAnswer;

    /** By lane. */
    private final LaneCursor[] cursors;

    /** The lane that is sent from first. */
    private int firstLane;

    /** Ends of epochs that all lanes have released. */
    private long ends;

    private final LinkWindow window = new LinkWindow();
    private final LinkTurn turn;

    /** The last seal that a foreign server has reached. */
    private long sealReached;

    private boolean workScheduled;

    private final EpochRequests requests;
    private final Farewell farewell;
    private final Outdating outdating;
    private final HandOverRequest handOver;
    private final Heartbeats heartbeats;
    private final Comparison comparison;

    private final Runnable workTask = this::workSoon;

    /**
     * One that {@link #start} makes.
     *
     * @param wanted how a secondary is treated, whatever it is; UNKNOWN for as what it is
     * @param attachFlags of the forwarding, with which the primary presents itself
     * @param limits of what is sent
     */
    Link(
            final IoLoop loop,
            final Peer[] peers,
            final PrimaryDisk[] disks,
            final Lanes lanes,
            final PeerTimeout timeout,
            final SecondaryKind wanted,
            final int attachFlags,
            final Throttle limits,
            final LinkOwner owner) {
        this.loop = loop;
        this.disks = disks;
        cursors = lanes.all().stream().map(LaneCursor::new).toArray(LaneCursor[]::new);
        this.owner = owner;
        connections =
                new SecondaryConnections(
                        loop,
                        peers,
                        disks,
                        lanes.payloadLengthMax(),
                        timeout,
                        wanted,
                        attachFlags,
                        new ConnectionEvents());
        requests = new EpochRequests(connections, owner, this::end);
        farewell = new Farewell(loop, connections);
        outdating = new Outdating(loop, peers[0], owner);
        heartbeats = new Heartbeats(loop, connections, farewell, disks.length, owner);
        handOver = new HandOverRequest(loop, connections);
        comparison = new Comparison();
        turn = new LinkTurn(loop, limits, this::work);
        onAnswer = this::onAnswer;
    }

    // ---- Connections.

    void start() {
        connections.start();
    }

    /** Makes it now, where it waits for its turn, or for a server that has not answered. */
    void startNow() {
        connections.startNow();
    }

    /** Cuts it at once; it is made again. */
    void sever(final String reason) {
        connections.sever(reason);
    }

    /** Ends it for good. */
    void end() {
        turn.end();
        connections.end();
    }

    /** Ends it for good, in the protocol's way. */
    void leave() {
        turn.end();
        connections.leave();
    }

    /** Makes the connections anew: the primary's reign is another one than it told. */
    void attachAgain() {
        connections.sever("the primary attaches again, in another generation");
    }

    /**
     * Ends it for good: the secondary is told that it is left behind, now or when it is there.
     *
     * @param primary what this node says of itself then
     */
    void leaveBehind(final Outdating.Presentation primary) {
        farewell.say(
                ControlRecord.ALONE,
                1,
                () -> {
                    owner.onPeerOut();
                    connections.leave();
                },
                () -> {
                    connections.leave();
                    outdating.begin(primary);
                });
    }

    /** Ends it for good: the secondary has everything. */
    void leaveInGoodOrder(final Runnable whenLeft, final Runnable whenNot) {
        farewell.say(
                ControlRecord.LEAVE,
                disks.length,
                () -> {
                    connections.leave();
                    whenLeft.run();
                },
                () -> {
                    connections.leave();
                    whenNot.run();
                });
    }

    /** What asks the secondary to take over. */
    HandOverRequest handOver() {
        return handOver;
    }

    /**
     * Ends it for good, also where it was left before: nothing is sent any more. At once, unless
     * the last thing is still being said.
     */
    void cut(final Runnable whenCut) {
        farewell.whenSaid(
                () -> {
                    outdating.end();
                    connections.cut();
                    whenCut.run();
                });
    }

    /** Sends again what was not released. */
    private final class ConnectionEvents implements ConnectionsOwner {
        @Override
        public void onUp(final long sealedEpoch, final long committedEpoch) {
            for (final LaneCursor cursor : cursors) {
                cursor.onUp(connections::sealedEpoch);
            }
            comparison.reset();
            window.reset();
            requests.onUp(sealedEpoch);
            owner.onUp(connections.isForeign(), sealedEpoch, committedEpoch);
            handOver.onUp();
            work();
            if (!connections.isForeign()) {
                heartbeats.begin();
            }
        }

        @Override
        public void onFound(
                final int disk,
                final Summary secondary,
                final boolean isPrimary,
                final LinkOwner.Judgement judgement) {
            owner.onFound(disk, secondary, isPrimary, judgement);
        }

        @Override
        public boolean isAnswerOwed(final int disk) {
            return connections.isForeign() ? owes(disk) : heartbeats.isOwed(disk);
        }

        @Override
        public long owedLength() {
            return window.owedLength();
        }

        @Override
        public boolean isChangeOwed() {
            return window.isChangeOwed();
        }

        @Override
        public void onDown(final String reason) {
            owner.onDown(reason);
        }

        @Override
        public void onUnreachable(final String reason, final boolean isRefused) {
            owner.onUnreachable(reason, isRefused);
        }

        @Override
        public void onLongerThere(final int disk, final long length) {
            owner.onLongerThere(disk, length);
        }

        @Override
        public void onRefused(final int disk, final String reason) {
            owner.onUnfit(disks[disk].name(), reason);
        }
    }

    // ---- Sending.

    /** Asks for what a former primary has noted of a disk; it is told while the link is up. */
    void readTail(final int disk) {
        if (!connections.isUp()) {
            return;
        }
        final int ofGeneration = connections.generation();
        final boolean isAsked =
                TailReader.read(
                        disk,
                        connections.client(disk),
                        disks[disk].length(),
                        owner,
                        errno -> {
                            if (ofGeneration == connections.generation()) {
                                connections.sever("the secondary does not tell what it noted");
                            }
                        });
        if (isAsked) {
            connections.send();
        } else {
            connections.sever("too much is under way to ask what the secondary has noted");
        }
    }

    /** Asks how long the disks could be at the secondary. */
    void askLengths(final LengthsThere.Listener listener) {
        LengthsThere.ask(connections, disks.length, listener);
    }

    /**
     * Frames before these, by lane, are not sent any more. The link must attach anew before it
     * sends.
     */
    void skip(final long[] frames) {
        for (final LaneCursor cursor : cursors) {
            cursor.skip(frames[cursor.lane.number()]);
        }
    }

    /** Sends what can be sent. Called when frames were decided, and when some were answered. */
    void work() {
        if (!connections.isUp() || farewell.isBegun()) {
            return;
        }
        requests.send();
        boolean isMore = false;
        for (int i = 0; i < cursors.length; i++) {
            isMore |= send(cursors[(firstLane + i) % cursors.length]);
        }
        firstLane = (firstLane + 1) % cursors.length;
        connections.send();
        for (final LaneCursor cursor : cursors) {
            isMore |= releaseAnswered(cursor) && cursor.next < cursor.log.decided();
        }
        if (isMore) {
            workLater(); // others have their turn
        }
    }

    /** Answers whether there may be more that can be sent. */
    private boolean send(final LaneCursor cursor) {
        final long decided = cursor.log.decided();
        int count = 0;
        while (cursor.next < decided
                && count < FRAMES_PER_TURN
                && connections.isUp()
                && ends >= cursor.caughtUp
                && sendFrame(cursor, cursor.next)) {
            cursor.onSent();
            count++;
        }
        return count == FRAMES_PER_TURN;
    }

    private boolean sendFrame(final LaneCursor cursor, final long frame) {
        final ForwardLog log = cursor.log;
        if (cursor.isSkipped(frame)) {
            cursor.answer(frame);
            return true;
        }
        if (cursor.isTakenThere(frame)) {
            return true; // its seal comes behind it, and is answered
        }
        final ForwardLog.Kind kind = log.kind(frame);
        final long length = log.length(frame);
        if (!window.takes(kind, length)) {
            return false;
        }
        if (connections.isForeign() && mustWait(cursor, frame, kind)
                || !turn.hasCome(cursor.id(frame), kind, length)) {
            return false;
        }
        final NbdClient client = connections.client(log.disk(frame));
        final long token = cursor.token(frame, connections.generation());
        final boolean isTaken =
                switch (kind) {
                    case WRITE ->
                            client.writeFrame(
                                    log.offset(frame),
                                    (int) length,
                                    log.memory(),
                                    log.payloadPosition(frame),
                                    0,
                                    onAnswer,
                                    token);
                    case ZERO ->
                            client.writeZeroes(
                                    log.offset(frame),
                                    length,
                                    (log.flags(frame) & Disk.ZERO_NO_HOLE) != 0
                                            ? Nbd.CMD_FLAG_NO_HOLE
                                            : 0,
                                    onAnswer,
                                    token);
                    case FLUSH -> client.flush(onAnswer, token);
                    case HASH -> compare(client, cursor, frame);
                    case ANNOUNCE ->
                            isKnown(client, log.offset(frame) + length)
                                    && client.announce(log.offset(frame), length, onAnswer, token);
                    case SEAL -> sendSeal(client, cursor, frame);
                };
        if (isTaken) {
            window.onSent(kind, length);
        }
        return isTaken;
    }

    /**
     * Whether the secondary has a disk to there: where it has not it is told of a greater length
     * first, when the link attaches again.
     */
    private static boolean isKnown(final NbdClient client, final long end) {
        return end <= client.negotiated().export().size();
    }

    /** What comes again may have been overtaken by what came behind it before the cut. */
    private boolean compare(final NbdClient client, final LaneCursor cursor, final long frame) {
        if (!cursor.comesAgain(frame)) {
            return comparison.ask(
                    client, cursor, frame, onAnswer, cursor.token(frame, connections.generation()));
        }
        cursor.answer(frame);
        owner.onCompared(cursor.log.disk(frame), frame, Comparison.NOT_DONE);
        return true;
    }

    /** Whether a foreign server, which has few requests at a time, owes an answer for a disk. */
    private boolean owes(final int disk) {
        boolean isOwed = false;
        for (final LaneCursor cursor : cursors) {
            isOwed |= cursor.isOwed(disk);
        }
        return isOwed;
    }

    private boolean sendSeal(final NbdClient client, final LaneCursor cursor, final long frame) {
        if (connections.isForeign()) {
            return sealForeign(cursor, frame);
        }
        final ForwardLog log = cursor.log;
        ControlRecord.write(
                record,
                0,
                ControlRecord.SEAL,
                log.offset(frame),
                0,
                connections.session(),
                log.flags(frame));
        return client.writeControl(
                record,
                ControlRecord.LENGTH,
                onAnswer,
                cursor.token(frame, connections.generation()));
    }

    /** What a foreign server may reorder must not be in flight together. */
    private boolean mustWait(
            final LaneCursor cursor, final long frame, final ForwardLog.Kind kind) {
        return cursor.next - cursor.released >= FOREIGN_IN_FLIGHT_MAX / cursors.length
                || kind != ForwardLog.Kind.SEAL // which asks for itself
                        && cursor.isOverlapInFlight(frame);
    }

    /** A foreign server is sealed when it has answered all; then it waits for its commit. */
    private boolean sealForeign(final LaneCursor cursor, final long frame) {
        releaseAnswered(cursor); // the seals of the disks before this one
        if (cursor.released < frame) {
            return false;
        }
        final long epoch = cursor.log.offset(frame);
        cursor.reached = epoch;
        if (sealReached < epoch && areAllAt(epoch)) {
            sealReached = epoch;
            owner.onSealed(epoch);
        }
        if (requests.committed() < epoch) {
            return false;
        }
        cursor.answer(frame);
        return true;
    }

    private boolean areAllAt(final long epoch) {
        boolean areAll = true;
        for (final LaneCursor cursor : cursors) {
            areAll &= cursor.reached >= epoch;
        }
        return areAll;
    }

    /** Asks for the commit of an epoch whose seals were answered. */
    void commit(final long epoch) {
        requests.commit(epoch);
        work();
    }

    /** Asks to be told when an epoch is durable, while it is up. */
    void askDurable(final long epoch) {
        requests.askDurable(epoch);
        work();
    }

    // ---- Answers.

    private void onAnswer(final long token, final int errno) {
        if (!connections.takesAnswers() || !LaneCursor.isOf(token, connections.generation())) {
            return;
        }
        final LaneCursor cursor = cursors[LaneCursor.laneOf(token)];
        final ForwardLog log = cursor.log;
        final long frame = LaneCursor.frameOf(token);
        connections.onAnswer(log.disk(frame));
        if (errno != 0) {
            if (errno != Errno.ESHUTDOWN) {
                fail(log, frame, errno);
            }
            return; // of a connection that ends: onClosed follows
        }
        cursor.answer(frame);
        if (log.kind(frame) == ForwardLog.Kind.HASH) {
            owner.onCompared(log.disk(frame), frame, comparison.differing(cursor, frame));
        }
        window.onAnswered(log.kind(frame), log.length(frame));
        if (frame == cursor.released) {
            releaseAnswered(cursor);
        }
        workLater();
    }

    private void workLater() {
        if (!workScheduled) {
            workScheduled = true;
            loop.execute(workTask);
        }
    }

    private void workSoon() {
        workScheduled = false;
        work();
    }

    private void fail(final ForwardLog log, final long frame, final int errno) {
        final int disk = log.disk(frame);
        final String reason = connections.client(disk).errorText();
        final ForwardLog.Kind kind = log.kind(frame);
        final String range =
                " of " + log.length(frame) + " bytes at " + log.offset(frame) + " of the disk";
        final String what =
                switch (kind) {
                    case WRITE -> "a write" + range;
                    case ZERO -> "zeroes" + range;
                    case FLUSH -> "a flush";
                    case HASH -> "a comparison" + range;
                    case ANNOUNCE -> "the announcement" + range;
                    case SEAL -> "the seal of epoch " + log.offset(frame);
                };
        final boolean hasOffset =
                kind == ForwardLog.Kind.WRITE
                        || kind == ForwardLog.Kind.ZERO
                        || kind == ForwardLog.Kind.ANNOUNCE;
        final long offset = hasOffset ? log.offset(frame) : -1;
        end();
        owner.onRefused(what, disks[disk].name(), offset, errno, reason);
    }

    /** Answers whether there was anything to release. */
    private boolean releaseAnswered(final LaneCursor cursor) {
        final ForwardLog log = cursor.log;
        final long before = cursor.released;
        while (cursor.mayRelease()) {
            final long frame = cursor.released;
            final boolean isEnd = cursor.isEnd(frame);
            final boolean isTold = !connections.isForeign() && !cursor.isSkipped(frame);
            final long epoch = log.offset(frame);
            final int flags = log.flags(frame);
            cursor.release();
            if (isEnd && isEndOfAll(cursor.ends) && isTold) {
                log.release(cursor.released); // who hears of it may ask whether all is answered
                onSealed(epoch, (flags & ControlRecord.AND_COMMIT) != 0);
            }
        }
        if (cursor.released == before) {
            return false;
        }
        log.release(cursor.released);
        owner.onReleased();
        return true;
    }

    /** An epoch is sealed when it is in all lanes. */
    private boolean isEndOfAll(final long count) {
        for (final LaneCursor cursor : cursors) {
            if (cursor.ends < count) {
                return false;
            }
        }
        ends = count;
        return true;
    }

    private void onSealed(final long epoch, final boolean isCommitted) {
        if (isCommitted) {
            owner.onCommitted(epoch);
        } else {
            owner.onSealed(epoch);
        }
    }
}
