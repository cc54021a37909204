package io.lockstep.engine.primary;

import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.node.Id;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;

/**
 * Sends a secondary what it lacks: runs of blocks out of the disks' sets, in ascending order, each
 * as a write of what the local disk holds in its turn, or as a zero where that is a hole. Where it
 * is not known what the secondary lacks, what both hold is compared. So much is on the way at a
 * time, and no more, that the guest's writes never wait long behind it. When nothing is left it
 * makes the checkpoint with which the secondary is equal.
 *
 * <p>A cut costs nothing: what is in the log is sent again, and what is in a set still is. On the
 * guest's loop. See docs/healing.md.
 */
final class Synchroniser implements AutoCloseable {
    /** Hears how it goes. */
    interface Owner {
        /** All that was to be sent is in the log; the checkpoint is made. */
        void onSent();

        /** The secondary is equal, as of that checkpoint. */
        void onCaughtUp();

        /** What the secondary has noted itself of a disk is asked for, over the link that is up. */
        void askForTail(int disk);

        /** All that it has noted is in the sets, and noted here. */
        void onTailsNoted();
    }

    private enum Phase {
        NONE,
        /** The guest is ahead; what is to be sent is known when the secondary attaches anew. */
        SUSPENDED,
        /** It is known what to send, and the link is not up for it yet. */
        PREPARED,
        SENDING,
        /** The checkpoint is under way. */
        SEALING
    }

    /** So much of it waits for the secondary's answer at a time, in bytes. */
    private static final long WINDOW_LENGTH = 4L << 20;

    /** A write's, in bytes. */
    private static final int PIECE_LENGTH = 256 << 10;

    /** A zero's, in bytes: it costs the link next to nothing. */
    private static final long HOLE_LENGTH = 16L << 20;

    /** It is asked for so many bytes at a time what is a hole. */
    private static final long LOOK_LENGTH = 1L << 30;

    /** What a zero counts for, of what is on the way. */
    private static final long HOLE_COST = 64 << 10;

    private static final int EXTENTS_MAX = 128;

    /** Runs that are taken in a turn of the loop. */
    private static final int A_TURN = 4;

    /** So much is compared in one frame, and so many of them at a time. */
    private static final int COMPARED_LENGTH = 1 << 20;

    private static final int COMPARISONS_MAX = 6;

    private static final int BLOCK_LENGTH = BlockSet.BLOCK_LENGTH;

    private final IoLoop loop;
    private final List<PrimaryDisk> disks;
    private final ForwardLog log;
    private final RoomQueue room;
    private final Owner owner;
    private final Queue<Sent> sent = new ArrayDeque<>();

    /** For what is read to be compared. */
    private final Queue<IoBuffer> buffers = new ArrayDeque<>();

    /** With the session's key. */
    private PieceHash hash;

    /** Comparisons whose answers are to come. */
    private int comparing;

    private final RoomQueue.Waiting sendAgain = this::sendAgain;
    private final RoomQueue.Waiting enterAgain =
            new RoomQueue.Waiting() {
                @Override
                public boolean enterAgain() {
                    return Synchroniser.this.enterAgain();
                }

                @Override
                public boolean isPatient() {
                    return true;
                }
            };

    /** By disk: whether there is nothing but holes at the secondary. */
    private final boolean[] isEmptyThere;

    /** By disk: whether what the secondary has noted itself is to be asked for. */
    private final boolean[] isTailOpen;

    private Phase phase = Phase.NONE;
    private long total;
    private long startNanos;

    /** Bytes that wait in the log for their answers. */
    private long onTheWay;

    /** It hears when something is answered; it waits for its turn to go into the log. */
    private boolean isWatching;

    private boolean isQueued;
    private boolean isScheduled;

    // What is known of holes, of one disk, from an offset on.
    private final ExtentList extents = new ExtentList(EXTENTS_MAX);
    private int lookedDisk;
    private long lookedFrom;
    private long lookedEnd;
    private boolean isLooking;
    private boolean isUnknown;
    private long extentEnd;

    /** Of the last look: another one has begun since, or it was given up. */
    private long looks;

    /**
     * What waits for an answer.
     *
     * @param frame in the log
     * @param length in bytes
     */
    private record Sent(long frame, long length) {}

    /** What became of an attempt to send something. */
    private enum Step {
        SENT,
        LOOKS,
        /** For answers, without which it is not known what is left. */
        WAITS,
        NO_ROOM,
        NOTHING_LEFT
    }

    Synchroniser(
            final IoLoop loop,
            final List<PrimaryDisk> disks,
            final ForwardLog log,
            final RoomQueue room,
            final Owner owner) {
        this.loop = loop;
        this.disks = disks;
        this.log = log;
        this.room = room;
        this.owner = owner;
        isEmptyThere = new boolean[disks.size()];
        isTailOpen = new boolean[disks.size()];
    }

    /** Whether the secondary is not equal yet. */
    boolean isUnderWay() {
        return phase != Phase.NONE;
    }

    /** Whether it waits for the link to be up for the first time. */
    boolean isPrepared() {
        return phase == Phase.PREPARED;
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
                                isBegun() ? loop.nanoTime() - startNanos : 0))
                : Optional.empty();
    }

    /** One begins: each disk's set is what is noted, and what more is to be sent is said behind. */
    void prepare() {
        phase = Phase.PREPARED;
        forgetLook();
        for (int i = 0; i < disks.size(); i++) {
            isEmptyThere[i] = false;
            isTailOpen[i] = false;
            disks.get(i).outOfSync().set(disks.get(i).changes());
        }
    }

    /** The same where no more is to be sent than what the sets have by now. */
    void prepareRest() {
        phase = Phase.PREPARED;
        forgetLook();
    }

    /** The guest pulls ahead; the sets keep what is still to be sent, and get what it changes. */
    void suspend() {
        phase = Phase.SUSPENDED;
        forgetLook();
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
        send();
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
            hash = new PieceHash(session);
            comparing = 0;
            total = left();
            startNanos = loop.nanoTime();
            onTheWay = 0;
            sent.clear();
        }
        for (int i = 0; i < isTailOpen.length; i++) {
            if (isTailOpen[i]) {
                owner.askForTail(i);
            }
        }
        send();
    }

    /** The checkpoint with which the secondary is equal is made. */
    void onCommitted() {
        if (phase == Phase.SEALING) {
            phase = Phase.NONE;
            owner.onCaughtUp();
        }
    }

    /** There is none any more. */
    void end() {
        phase = Phase.NONE;
        forgetLook();
        disks.forEach(disk -> disk.outOfSync().clear());
    }

    private long left() {
        return disks.stream().mapToLong(disk -> disk.outOfSync().length()).sum();
    }

    // ---- Sending.

    private void send() {
        while (!sent.isEmpty() && sent.element().frame < log.released()) {
            onTheWay -= sent.remove().length;
        }
        Step step = Step.SENT;
        int count = 0;
        while (step == Step.SENT && maySend() && onTheWay < WINDOW_LENGTH && count < A_TURN) {
            step = room.mayEnter() ? sendNext() : Step.NO_ROOM;
            count++;
        }
        switch (step) {
            case NO_ROOM -> {
                isQueued = true;
                room.waitForTurn(enterAgain);
            }
            case NOTHING_LEFT -> {
                phase = Phase.SEALING;
                owner.onSent();
            }
            case SENT -> goOn();
            case LOOKS, WAITS -> {}
        }
    }

    /** Others have their turn first; or the secondary has to answer. */
    private void goOn() {
        if (!maySend()) {
            return;
        }
        if (onTheWay < WINDOW_LENGTH) {
            goOnSoon();
        } else if (!isWatching) {
            isWatching = true;
            room.watch(sendAgain);
        }
    }

    private void goOnSoon() {
        if (!isScheduled) {
            isScheduled = true;
            loop.execute(
                    () -> {
                        isScheduled = false;
                        send();
                    });
        }
    }

    private boolean maySend() {
        return phase == Phase.SENDING && !isLooking && !isQueued;
    }

    /** Something was answered; perhaps of this. */
    private boolean sendAgain() {
        if (maySend() && !sent.isEmpty() && sent.element().frame >= log.released()) {
            return false;
        }
        isWatching = false;
        send();
        return true;
    }

    /** It is its turn. */
    private boolean enterAgain() {
        isQueued = false;
        if (phase == Phase.SENDING && !isLooking && !room.isHopeless()) {
            final Step step = sendNext();
            if (step == Step.NO_ROOM) {
                isQueued = true;
                return false;
            }
            goOnSoon();
        }
        return true;
    }

    private Step sendNext() {
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
        return comparing == 0 && !hasOpenTail() ? Step.NOTHING_LEFT : Step.WAITS;
    }

    /** Goes on where it is known what is a hole. */
    private long next(final int number, final BlockSet blocks) {
        final long block = blocks.next(number == lookedDisk ? lookedFrom / BLOCK_LENGTH : 0);
        return block < 0 ? blocks.next(0) : block;
    }

    private Step sendRun(final int number, final long block) {
        final PrimaryDisk disk = disks.get(number);
        final long offset = block * BLOCK_LENGTH;
        if (!isLookedAt(number, offset)) {
            look(number, offset);
            return Step.LOOKS;
        }
        final OutOfSync outOfSync = disk.outOfSync();
        final boolean isHole = isHoleAt(offset);
        final long known = Math.min(isHole ? HOLE_LENGTH : dataLengthMax(), extentEnd - offset);
        final long runEnd =
                outOfSync.waiting().runEnd(block, Math.max(1, known / BLOCK_LENGTH)) * BLOCK_LENGTH;
        final long end = Math.min(runEnd, disk.length());
        final boolean isSureHole = isHole && end <= extentEnd && outOfSync.isAsLooked(offset, end);
        if (isSureHole && isEmptyThere[number]) {
            outOfSync.remove(offset, end);
            return Step.SENT;
        }
        final long dataEnd = isSureHole ? end : Math.min(end, offset + dataLengthMax());
        final long frame = disk.forward(offset, dataEnd, isSureHole);
        if (frame < 0) {
            return Step.NO_ROOM;
        }
        final long length = isSureHole ? HOLE_COST : dataEnd - offset;
        sent.add(new Sent(frame, length));
        onTheWay += length;
        return Step.SENT;
    }

    private int dataLengthMax() {
        return Math.min(PIECE_LENGTH, log.payloadLengthMax());
    }

    // ---- Comparing.

    private Step compareRun(final int number, final long block) {
        final PrimaryDisk disk = disks.get(number);
        final long offset = block * BLOCK_LENGTH / PieceHash.PIECE_LENGTH * PieceHash.PIECE_LENGTH;
        if (!isLookedAt(number, offset)) {
            look(number, offset);
            return Step.LOOKS;
        }
        if (comparing == COMPARISONS_MAX) {
            return Step.WAITS;
        }
        final long end = Math.min(offset + COMPARED_LENGTH, disk.length());
        final boolean isHole =
                isHoleAt(offset) && end <= extentEnd && disk.outOfSync().isAsLooked(offset, end);
        final IoBuffer buffer = buffers.poll();
        final IoBuffer taken = buffer == null ? IoBuffer.reserve(COMPARED_LENGTH) : buffer;
        final long frame =
                disk.compare(
                        offset,
                        end,
                        hash,
                        isHole ? null : taken.segment(),
                        () -> buffers.add(taken));
        if (frame < 0) {
            buffers.add(taken);
            return Step.NO_ROOM;
        }
        comparing++;
        return Step.SENT;
    }

    /** What was in the log of a disk has been compared. */
    void onCompared(final int disk, final long offset, final long length, final long differing) {
        comparing--;
        final OutOfSync outOfSync = disks.get(disk).outOfSync();
        for (int piece = 0; piece < PieceHash.pieces(length); piece++) {
            final long start = offset + (long) piece * PieceHash.PIECE_LENGTH;
            final long end = Math.min(start + PieceHash.PIECE_LENGTH, offset + length);
            if (differing == Comparison.NOT_DONE) {
                outOfSync.unknown().add(start, end);
            } else if ((differing & 1L << piece) != 0) {
                outOfSync.waiting().add(start, end);
            }
        }
        send();
    }

    // ---- Holes.

    private void forgetLook() {
        looks++;
        isLooking = false;
        lookedDisk = -1;
        lookedFrom = 0;
        lookedEnd = 0;
    }

    private boolean isLookedAt(final int number, final long offset) {
        return number == lookedDisk && offset >= lookedFrom && offset < lookedEnd;
    }

    private void look(final int number, final long offset) {
        final PrimaryDisk disk = disks.get(number);
        forgetLook();
        isLooking = true;
        final long look = looks;
        disk.beginLook();
        disk.extents(
                offset,
                Math.min(LOOK_LENGTH, disk.length() - offset),
                extents,
                (token, errno) -> {
                    if (look == looks) {
                        isLooking = false;
                        lookedDisk = number;
                        lookedFrom = offset;
                        // What can't be looked at is data.
                        lookedEnd = errno == 0 ? offset + extents.totalLength() : disk.length();
                        isUnknown = errno != 0;
                        send();
                    }
                },
                0);
        disk.poll();
    }

    /** Whether there is a hole at an offset that was looked at; and where it, or the data, ends. */
    private boolean isHoleAt(final long offset) {
        extentEnd = lookedEnd;
        long end = lookedFrom;
        for (int i = 0; i < extents.size() && !isUnknown; i++) {
            end += extents.length(i);
            if (offset < end) {
                extentEnd = end;
                return extents.state(i) != ExtentList.DATA;
            }
        }
        return false;
    }

    /** Gives its memory back. Nothing of it is under way. */
    @Override
    public void close() {
        buffers.forEach(IoBuffer::close);
        buffers.clear();
    }
}
