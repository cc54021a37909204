package io.lockstep.engine.primary;

import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

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
    /** Hears how it goes, on the link's loop. */
    interface Owner {
        /** All disks are linked. The secondary's epochs are those of a lockstep, or 0 and 0. */
        void onUp(boolean isForeign, long sealedEpoch, long committedEpoch);

        /** A secondary of our own kind was found for a disk; whether it may have it is asked. */
        void onFound(int disk, Summary secondary, Judgement judgement);

        /** The secondary has recorded that it was left behind. */
        void onPeerOut();

        /** It was up, and is down; it connects again. */
        void onDown(String reason);

        /** It could not be made, and will be tried again. */
        void onUnreachable(String reason);

        /** The secondary won't have a disk of ours: the link has ended. */
        void onUnfit(String disk, String reason);

        /**
         * The secondary refused something that was forwarded: the link has ended.
         *
         * @param what was refused: a noun
         * @param offset of it on the disk; -1 where it has none
         * @param reason the secondary's words; empty where it gave none
         */
        void onRefused(String what, String disk, long offset, int errno, String reason);

        /** The seals of an epoch were answered for all disks. */
        void onSealed(long epoch);

        /** The commit of an epoch was answered, or its seals, which commit as well. */
        void onCommitted(long epoch);

        /** Frames were released. */
        void onReleased();
    }

    /** Hears what the primary finds of a secondary, on the link's loop. */
    interface Judgement {
        /**
         * It is told.
         *
         * @param refusal why the secondary is refused; null where it is not
         * @param own what the primary says of itself
         * @param word what its user says of the disks
         */
        void onJudged(String refusal, Summary own, Word word);
    }

    /** The secondary hears of its primary so often, in nanoseconds, whatever else there is. */
    private static final long HEARTBEAT_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private static final int FOREIGN_IN_FLIGHT_MAX = 64;

    /** What a foreign server has to bring to stable storage is not known; it is not counted on. */
    private static final long OWED_LENGTH_MAX = 1L << 30;

    private static final long IN_FLIGHT_BYTES_MAX = 16L << 20;

    /** Of zeroes: the secondary works on all of them at once, and must answer the first soon. */
    private static final long ZEROES_IN_FLIGHT_BYTES_MAX = 64L << 20;

    private static final int FRAMES_PER_TURN = 256;

    private final IoLoop loop;
    private final PrimaryDisk[] disks;
    private final ForwardLog log;
    private final Id session;
    private final Owner owner;
    private final SecondaryConnections connections;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
    private final MemorySegment heard = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
    private final Disk.Completion onHeard = this::onHeard;
    private final Disk.Completion onAnswer;

    /** The next frame to send; those from 'released' to here wait for their answers. */
    private long next;

    private long released;
    private long inFlightBytes;
    private long zeroesInFlightBytes;

    /** What a foreign server has answered since it answered a flush. */
    private long unflushedBytes;

    private final boolean[] answered;
    private final int answeredMask;

    private long commitAsked;
    private long commitSent;
    private long commitDone;

    /** The last seal that a foreign server has reached. */
    private long sealReached;

    private boolean workScheduled;

    /** Heartbeats that were not answered yet, by disk. */
    private final boolean[] beats;

    private final Farewell farewell;

    private final Runnable workTask = this::workSoon;

    Link(
            final IoLoop loop,
            final Peer[] peers,
            final PrimaryDisk[] disks,
            final ForwardLog log,
            final Id session,
            final PeerTimeout timeout,
            final Owner owner) {
        this.loop = loop;
        this.disks = disks;
        this.log = log;
        this.session = session;
        beats = new boolean[disks.length];
        this.owner = owner;
        connections =
                new SecondaryConnections(
                        loop,
                        peers,
                        disks,
                        log.payloadLengthMax(),
                        session,
                        timeout,
                        new ConnectionEvents());
        farewell = new Farewell(loop, connections, session);
        answered = new boolean[log.frames()];
        answeredMask = answered.length - 1;
        onAnswer = this::onAnswer;
    }

    // ---- Connections.

    void start() {
        connections.start();
    }

    /** Cuts it at once; it is made again. */
    void sever(final String reason) {
        connections.sever(reason);
    }

    /** Ends it for good. */
    void end() {
        connections.end();
    }

    /** Makes the connections anew: the primary's reign is another one than it told. */
    void attachAgain() {
        connections.sever("the primary attaches again, in another generation");
    }

    /** Ends it for good: the secondary is told that it is left behind, if it can be. */
    void leaveBehind() {
        farewell.say(
                ControlRecord.ALONE,
                1,
                () -> {
                    owner.onPeerOut();
                    connections.leave();
                },
                connections::leave);
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

    private void onHeard(final long disk, final int errno) {
        beats[(int) disk] = false;
        if (errno == 0) {
            connections.onAnswer((int) disk);
        }
    }

    private void beat(final int ofGeneration) {
        if (connections.isUp() && ofGeneration == connections.generation() && !farewell.isBegun()) {
            for (int i = 0; i < disks.length; i++) {
                if (!beats[i]) {
                    beats[i] =
                            connections
                                    .client(i)
                                    .readControl(heard, ControlRecord.LENGTH, onHeard, i);
                }
            }
            connections.send();
            loop.schedule(HEARTBEAT_NANOS, () -> beat(ofGeneration));
        }
    }

    /**
     * Ends it for good, also where it was left before: nothing is sent any more. At once, unless
     * the last thing is still being said.
     */
    void cut(final Runnable whenCut) {
        farewell.whenSaid(
                () -> {
                    connections.cut();
                    whenCut.run();
                });
    }

    /** Sends again what was not released. */
    private final class ConnectionEvents implements SecondaryConnections.Owner {
        @Override
        public void onUp(final long sealedEpoch, final long committedEpoch) {
            released = log.released();
            next = released;
            inFlightBytes = 0;
            zeroesInFlightBytes = 0;
            Arrays.fill(answered, false);
            Arrays.fill(beats, false);
            commitSent = commitDone;
            owner.onUp(connections.isForeign(), sealedEpoch, committedEpoch);
            work();
            if (!connections.isForeign()) {
                beat(connections.generation());
            }
        }

        @Override
        public void onFound(final int disk, final Summary secondary, final Judgement judgement) {
            owner.onFound(disk, secondary, judgement);
        }

        @Override
        public boolean isAnswerOwed(final int disk) {
            return connections.isForeign() ? owes(disk) : beats[disk];
        }

        @Override
        public long owedLength() {
            return Math.min(OWED_LENGTH_MAX, inFlightBytes + zeroesInFlightBytes + unflushedBytes);
        }

        @Override
        public boolean isChangeOwed() {
            return inFlightBytes + zeroesInFlightBytes > 0;
        }

        @Override
        public void onDown(final String reason) {
            owner.onDown(reason);
        }

        @Override
        public void onUnreachable(final String reason) {
            owner.onUnreachable(reason);
        }

        @Override
        public void onRefused(final int disk, final String reason) {
            owner.onUnfit(disks[disk].name(), reason);
        }
    }

    // ---- Sending.

    /** Sends what can be sent. Called when frames were decided, and when some were answered. */
    void work() {
        if (!connections.isUp() || farewell.isBegun()) {
            return;
        }
        sendCommit();
        final long decided = log.decided();
        int count = 0;
        while (next < decided && count < FRAMES_PER_TURN && connections.isUp()) {
            if (!sendFrame(next)) {
                break;
            }
            next++;
            count++;
        }
        connections.send();
        final boolean hasReleased = releaseAnswered();
        if (count == FRAMES_PER_TURN || (hasReleased && next < decided)) {
            workLater(); // others have their turn
        }
    }

    private boolean sendFrame(final long frame) {
        if (log.isFailed(frame)) {
            answered[(int) (frame & answeredMask)] = true;
            return true;
        }
        final ForwardLog.Kind kind = log.kind(frame);
        final long length = log.length(frame);
        if (!isWithinWindow(kind, length)) {
            return false;
        }
        if (connections.isForeign() && mustWait(frame, kind)) {
            return false;
        }
        final NbdClient client = connections.client(log.disk(frame));
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
                                    token(frame));
                    case ZERO ->
                            client.writeZeroes(
                                    log.offset(frame),
                                    length,
                                    (log.flags(frame) & Disk.ZERO_NO_HOLE) != 0
                                            ? Nbd.CMD_FLAG_NO_HOLE
                                            : 0,
                                    onAnswer,
                                    token(frame));
                    case FLUSH -> client.flush(onAnswer, token(frame));
                    case SEAL -> sendSeal(client, frame);
                };
        if (isTaken) {
            count(kind, length);
        }
        return isTaken;
    }

    private boolean isWithinWindow(final ForwardLog.Kind kind, final long length) {
        return switch (kind) {
            case WRITE -> inFlightBytes == 0 || inFlightBytes + length <= IN_FLIGHT_BYTES_MAX;
            case ZERO ->
                    zeroesInFlightBytes == 0
                            || zeroesInFlightBytes + length <= ZEROES_IN_FLIGHT_BYTES_MAX;
            case FLUSH, SEAL -> true;
        };
    }

    /** What was sent, or, below 0, answered. */
    private void count(final ForwardLog.Kind kind, final long length) {
        if (kind == ForwardLog.Kind.WRITE) {
            inFlightBytes += length;
        } else if (kind == ForwardLog.Kind.ZERO) {
            zeroesInFlightBytes += length;
        }
    }

    /** What was answered. */
    private void countUnflushed(final ForwardLog.Kind kind, final long length) {
        if (kind == ForwardLog.Kind.FLUSH) {
            unflushedBytes = 0;
        } else if (kind != ForwardLog.Kind.SEAL) {
            unflushedBytes += length;
        }
    }

    /** Whether a foreign server, which has few requests at a time, owes an answer for a disk. */
    private boolean owes(final int disk) {
        for (long frame = released; frame < next; frame++) {
            if (log.disk(frame) == disk && !answered[(int) (frame & answeredMask)]) {
                return true;
            }
        }
        return false;
    }

    /** The frame's number, and beside it what tells a completion of this link from older ones. */
    private long token(final long frame) {
        return (frame << 16) | (connections.generation() & 0xffff);
    }

    private boolean sendSeal(final NbdClient client, final long frame) {
        if (connections.isForeign()) {
            return sealForeign(frame);
        }
        ControlRecord.write(
                record, 0, ControlRecord.SEAL, log.offset(frame), 0, session, log.flags(frame));
        return client.writeControl(record, ControlRecord.LENGTH, onAnswer, token(frame));
    }

    /** What a foreign server may reorder must not be in flight together. */
    private boolean mustWait(final long frame, final ForwardLog.Kind kind) {
        if (next - released >= FOREIGN_IN_FLIGHT_MAX) {
            return true;
        }
        if (kind == ForwardLog.Kind.SEAL) {
            return false; // it asks for itself
        }
        final long start = log.offset(frame);
        final long end = start + log.length(frame);
        for (long other = released; other < frame; other++) {
            if (!answered[(int) (other & answeredMask)]
                    && log.disk(other) == log.disk(frame)
                    && log.offset(other) < end
                    && start < log.offset(other) + log.length(other)) {
                return true;
            }
        }
        return false;
    }

    /** A foreign server is sealed when it has answered all; then it waits for its commit. */
    private boolean sealForeign(final long frame) {
        releaseAnswered(); // the seals of the disks before this one
        if (released < frame) {
            return false;
        }
        final long epoch = log.offset(frame);
        if (log.disk(frame) == 0 && sealReached < epoch) {
            sealReached = epoch;
            owner.onSealed(epoch);
        }
        if (commitDone < epoch) {
            return false;
        }
        answered[(int) (frame & answeredMask)] = true;
        return true;
    }

    /** Asks for the commit of an epoch whose seals were answered. */
    void commit(final long epoch) {
        commitAsked = Math.max(commitAsked, epoch);
        work();
    }

    private void sendCommit() {
        if (commitAsked <= commitSent) {
            return;
        }
        final long epoch = commitAsked;
        if (connections.isForeign()) {
            commitSent = epoch;
            commitDone = epoch;
            owner.onCommitted(epoch);
            return;
        }
        ControlRecord.write(record, 0, ControlRecord.COMMIT, epoch, 0, session, 0);
        final int ofGeneration = connections.generation();
        final NbdClient client = connections.client(0);
        final boolean isTaken =
                client.writeControl(
                        record,
                        ControlRecord.LENGTH,
                        (token, errno) -> {
                            if (ofGeneration != connections.generation()) {
                                return;
                            }
                            if (errno == 0) {
                                commitDone = Math.max(commitDone, epoch);
                                connections.onAnswer(0);
                                owner.onCommitted(epoch);
                            } else if (errno != Errno.ESHUTDOWN) {
                                final String reason = client.errorText();
                                end();
                                owner.onRefused(
                                        "the commit of epoch " + epoch, "", -1, errno, reason);
                            }
                        },
                        0);
        if (isTaken) {
            commitSent = epoch;
        }
    }

    // ---- Answers.

    private void onAnswer(final long token, final int errno) {
        if (!connections.takesAnswers()
                || (token & 0xffff) != (connections.generation() & 0xffff)) {
            return;
        }
        final long frame = token >> 16;
        connections.onAnswer(log.disk(frame));
        if (errno != 0) {
            if (errno != Errno.ESHUTDOWN) {
                fail(frame, errno);
            }
            return; // of a connection that ends: onClosed follows
        }
        answered[(int) (frame & answeredMask)] = true;
        count(log.kind(frame), -log.length(frame));
        countUnflushed(log.kind(frame), log.length(frame));
        if (frame == released) {
            releaseAnswered();
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

    private void fail(final long frame, final int errno) {
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
                    case SEAL -> "the seal of epoch " + log.offset(frame);
                };
        final boolean hasOffset = kind == ForwardLog.Kind.WRITE || kind == ForwardLog.Kind.ZERO;
        final long offset = hasOffset ? log.offset(frame) : -1;
        end();
        owner.onRefused(what, disks[disk].name(), offset, errno, reason);
    }

    /** Answers whether there was anything to release. */
    private boolean releaseAnswered() {
        final long before = released;
        while (released < next && answered[(int) (released & answeredMask)]) {
            answered[(int) (released & answeredMask)] = false;
            final boolean isLastSeal =
                    log.kind(released) == ForwardLog.Kind.SEAL
                            && log.disk(released) == disks.length - 1
                            && !connections.isForeign()
                            && !log.isFailed(released);
            final long epoch = log.offset(released);
            final int flags = log.flags(released);
            released++;
            if (isLastSeal) {
                onSealed(epoch, (flags & ControlRecord.AND_COMMIT) != 0);
            }
        }
        if (released == before) {
            return false;
        }
        log.release(released);
        owner.onReleased();
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
