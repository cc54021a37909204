package io.lockstep.engine.primary;

import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;

/**
 * Sends a secondary what it lacks: runs of blocks out of the disks' sets, in ascending order, each
 * as a write of what the local disk holds in its turn, or as a zero where that is a hole. So much
 * is on the way at a time, and no more, that the guest's writes never wait long behind it. When the
 * sets are empty it makes the checkpoint with which the secondary is equal.
 *
 * <p>A cut costs nothing: what is in the log is sent again, and what is in a set still is. On the
 * guest's loop. See docs/healing.md.
 */
final class Synchroniser {
    /** Hears how it goes. */
    interface Owner {
        /** All that was to be sent is in the log; the checkpoint is made. */
        void onSent();

        /** The secondary is equal, as of that checkpoint. */
        void onCaughtUp();
    }

    private enum Phase {
        NONE,
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

    private static final int EXTENTS_MAX = 128;

    private static final int BLOCK_LENGTH = BlockSet.BLOCK_LENGTH;

    private final IoLoop loop;
    private final List<PrimaryDisk> disks;
    private final ForwardLog log;
    private final RoomQueue room;
    private final Owner owner;
    private final Queue<Sent> sent = new ArrayDeque<>();
    private final RoomQueue.Waiting sendAgain = this::sendAgain;
    private final RoomQueue.Waiting enterAgain = this::enterAgain;

    /** By disk: whether there is nothing but holes at the secondary. */
    private final boolean[] isEmptyThere;

    private Phase phase = Phase.NONE;
    private long total;
    private long startNanos;

    /** Bytes that wait in the log for their answers. */
    private long onTheWay;

    /** It hears when something is answered; it waits for its turn to go into the log. */
    private boolean isWatching;

    private boolean isQueued;

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
    }

    /** Whether the secondary is not equal yet. */
    boolean isUnderWay() {
        return phase != Phase.NONE;
    }

    /** Whether it waits for the link to be up for the first time. */
    boolean isPrepared() {
        return phase == Phase.PREPARED;
    }

    /** How far it is; empty where none is under way. */
    Optional<SynchronisationStatus> status() {
        return isUnderWay()
                ? Optional.of(
                        new SynchronisationStatus(
                                left(),
                                isPrepared() ? left() : total,
                                isPrepared() ? 0 : loop.nanoTime() - startNanos))
                : Optional.empty();
    }

    /** One begins: each disk's set is what is noted, and what more is to be sent is said behind. */
    void prepare() {
        phase = Phase.PREPARED;
        forgetLook();
        for (int i = 0; i < disks.size(); i++) {
            isEmptyThere[i] = false;
            disks.get(i).waiting().clear();
            disks.get(i).waiting().addAll(disks.get(i).changes());
        }
    }

    /** The same where no more is to be sent than what the sets have by now. */
    void prepareRest() {
        phase = Phase.PREPARED;
        forgetLook();
    }

    /** The guest pulls ahead; the sets keep what is still to be sent, and get what it changes. */
    void suspend() {
        phase = Phase.NONE;
        forgetLook();
    }

    /**
     * It is not known what the secondary lacks of a disk: all of it is to be sent.
     *
     * @param isEmpty whether there is nothing there, so that a hole need not be sent
     */
    void prepareAll(final int disk, final boolean isEmpty) {
        isEmptyThere[disk] = isEmpty;
        disks.get(disk).waiting().addAll();
    }

    /** The link is up. */
    void onUp() {
        if (phase == Phase.PREPARED) {
            phase = Phase.SENDING;
            total = left();
            startNanos = loop.nanoTime();
            onTheWay = 0;
            sent.clear();
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
        disks.forEach(disk -> disk.waiting().clear());
    }

    private long left() {
        return disks.stream().mapToLong(disk -> disk.waiting().length()).sum();
    }

    // ---- Sending.

    private void send() {
        while (!sent.isEmpty() && sent.element().frame < log.released()) {
            onTheWay -= sent.remove().length;
        }
        Step step = Step.SENT;
        while (step == Step.SENT && maySend() && onTheWay < WINDOW_LENGTH) {
            step = room.mayEnter() ? sendNext() : Step.NO_ROOM;
        }
        if (step == Step.NO_ROOM) {
            isQueued = true;
            room.waitForTurn(enterAgain);
        } else if (step == Step.NOTHING_LEFT) {
            phase = Phase.SEALING;
            owner.onSent();
        } else if (step == Step.SENT && maySend() && !isWatching) {
            isWatching = true;
            room.watch(sendAgain);
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
            loop.execute(this::send);
        }
        return true;
    }

    private Step sendNext() {
        for (int i = 0; i < disks.size(); i++) {
            final BlockSet waiting = disks.get(i).waiting();
            final long block = waiting.next(i == lookedDisk ? lookedFrom / BLOCK_LENGTH : 0);
            final long first = block < 0 ? waiting.next(0) : block;
            if (first >= 0) {
                return sendRun(i, first);
            }
        }
        return Step.NOTHING_LEFT;
    }

    private Step sendRun(final int number, final long block) {
        final PrimaryDisk disk = disks.get(number);
        final long offset = block * BLOCK_LENGTH;
        if (number != lookedDisk || offset < lookedFrom || offset >= lookedEnd) {
            look(number, offset);
            return Step.LOOKS;
        }
        final boolean isHole = isHoleAt(offset);
        final long lengthMax =
                isHole ? HOLE_LENGTH : Math.min(PIECE_LENGTH, log.payloadLengthMax());
        final long known = Math.min(lengthMax, extentEnd - offset);
        final long runEnd =
                disk.waiting().runEnd(block, Math.max(1, known / BLOCK_LENGTH)) * BLOCK_LENGTH;
        final long end = Math.min(runEnd, disk.length());
        final boolean isSureHole = isHole && end <= extentEnd && disk.isAsLooked(offset, end);
        if (isSureHole && isEmptyThere[number]) {
            disk.waiting().removeWhole(offset, end, disk.length());
            return Step.SENT;
        }
        final long dataEnd = isSureHole ? end : Math.min(end, offset + dataLengthMax());
        final long frame = disk.forward(offset, dataEnd, isSureHole);
        if (frame < 0) {
            return Step.NO_ROOM;
        }
        final long length = isSureHole ? 0 : dataEnd - offset;
        sent.add(new Sent(frame, length));
        onTheWay += length;
        return Step.SENT;
    }

    private long dataLengthMax() {
        return Math.min(PIECE_LENGTH, log.payloadLengthMax());
    }

    // ---- Holes.

    private void forgetLook() {
        looks++;
        isLooking = false;
        lookedDisk = -1;
        lookedFrom = 0;
        lookedEnd = 0;
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
}
