package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.throttle.Throttle;
import io.lockstep.engine.throttle.ThrottleDirection;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.TimeUnit;

/**
 * Puts into the forward log, behind what the guest puts there, what somebody has who sends or
 * compares all of the disks: a few runs in a turn of the loop, so much on the way at a time, and no
 * faster than the {@link RateController} says, so that the guest's writes never wait long behind
 * it. On the guest's loop.
 */
final class Feed {
    /** Who has something. */
    interface Source {
        /** Whether it has anything to do at the moment. */
        boolean mayGoOn();

        /**
         * Puts the next run into a log where {@link #mayEnter} lets it, and tells {@link #took} of
         * it.
         */
        Step next();

        /** All of it is in the log. */
        void onNothingLeft();
    }

    /** What became of an attempt to put something into the log. */
    enum Step {
        SENT,
        LOOKS,
        /** For answers, without which it is not known what is left. */
        WAITS,
        NO_ROOM,
        NOTHING_LEFT
    }

    /** So much of it waits for the secondary's answer at a time, in bytes. */
    private static final long WINDOW_LENGTH = 4L << 20;

    /** So much is done in a turn of the loop where nobody would wait for it, in bytes. */
    static final int TURN_LENGTH = 1 << 20;

    /** Runs that are taken in such a turn, however short they are. */
    private static final int TURN_RUNS = 32;

    /** So much is done at a time where there is a guest that would wait for it, in bytes. */
    private static final int LENGTH_BESIDE_GUEST = 64 << 10;

    /** The rate is looked at so often at least. */
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private final IoLoop loop;
    private final List<Lane> lanes;
    private final Source source;
    private final Throttle reads;
    private final Throttle.Listening listening;
    private final Pace pace = new Pace();
    private final Queue<Sent> sent = new ArrayDeque<>();
    private final RoomQueue.Waiting sendAgain = this::sendAgain;
    private final RoomQueue.Waiting enterAgain =
            new RoomQueue.Waiting() {
                @Override
                public boolean enterAgain() {
                    return Feed.this.enterAgain();
                }

                @Override
                public boolean isPatient() {
                    return true;
                }
            };

    /** What somebody has said, in bytes a second; 0 where nobody has. */
    private long speed;

    /** Bytes that wait in the log for their answers. */
    private long onTheWay;

    /** Until when others' limits of what is read hold it back, where they do. */
    private long heldUntilNanos;

    private boolean isHeld;

    /** What was done in this turn of the loop, in bytes. */
    private long turnLength;

    /** The lane into which the last run went, or wanted to. */
    private Lane lane;

    /** It hears when something is answered; it waits for its turn to go into the lane. */
    private boolean isWatching;

    private boolean isQueued;

    /** Whether it is its turn there. */
    private boolean isEntering;

    private boolean isScheduled;
    private boolean isHeldBack;

    /**
     * What waits for an answer.
     *
     * @param frame in the lane's log
     * @param length in bytes
     */
    private record Sent(Lane lane, long frame, long length) {
        boolean isAnswered() {
            return frame < lane.log().released();
        }
    }

    /**
     * One that puts nothing there yet.
     *
     * @param disks of which it sends
     * @param reads limits what is read for it
     */
    Feed(
            final IoLoop loop,
            final List<PrimaryDisk> disks,
            final Throttle reads,
            final Source source) {
        this.loop = loop;
        lanes = disks.stream().map(PrimaryDisk::lane).distinct().toList();
        lane = lanes.getFirst();
        this.source = source;
        this.reads = reads;
        listening = reads.listen(() -> loop.execute(this::askAnew));
    }

    /** What somebody has said, in bytes a second; 0 where nobody has. */
    long speed() {
        return speed;
    }

    /** Somebody says how fast it may be, in bytes a second; 0 for as fast as the guest lets it. */
    void speed(final long bytes) {
        speed = bytes;
        if (source.mayGoOn()) {
            send();
        }
    }

    /** Something begins: what was put into the log before counts no more. */
    void begin() {
        onTheWay = 0;
        sent.clear();
        lanes.forEach(each -> each.watch().begin());
    }

    /** It goes on after it was held up. */
    void resume() {
        lanes.forEach(each -> each.watch().begin());
        send();
    }

    /** Nothing more is put into the log. */
    void end() {
        lanes.forEach(each -> each.watch().end());
    }

    /** Nothing more is put into the log, ever. */
    void close() {
        listening.close();
    }

    /** How much may be done at a time, in bytes, where it would be so much by itself. */
    int lengthMax(final int usual) {
        return controller().isGuestThere() ? Math.min(usual, LENGTH_BESIDE_GUEST) : usual;
    }

    /** Whether the next run may go into a lane, which it tries then. */
    boolean mayEnter(final Lane wanted) {
        final boolean isItsTurn = isEntering && wanted.number() == lane.number();
        lane = wanted;
        return isItsTurn || wanted.room().mayEnter();
    }

    /**
     * A run is in the log.
     *
     * @param frame its own
     * @param length what it counts for, of what is on the way
     * @param work what it counts for, of the pace; both in bytes
     */
    void took(final long frame, final long length, final long work) {
        if (length > 0) {
            sent.add(new Sent(lane, frame, length));
            onTheWay += length;
        }
        turnLength += work;
        controller().onSent(work);
        pace.took(work, loop.nanoTime());
    }

    /** So much was read for what went into the log: the next run waits where that was too much. */
    void read(final long length) {
        final long now = loop.nanoTime();
        final long wait = reads.reserve(ThrottleDirection.READ, length, now);
        if (wait > 0) {
            isHeld = true;
            heldUntilNanos = now + wait;
        }
    }

    /** There are other limits. */
    private void askAnew() {
        isHeld = false;
        if (source.mayGoOn()) {
            send();
        }
    }

    private RateController controller() {
        return lane.watch().controller();
    }

    /** Goes on, if it may. */
    void send() {
        while (!sent.isEmpty() && sent.element().isAnswered()) {
            onTheWay -= sent.remove().length;
        }
        final long start = loop.nanoTime();
        look(start);
        final int most = controller().isGuestThere() ? 1 : TURN_RUNS;
        Step step = Step.SENT;
        int count = 0;
        turnLength = 0;
        while (step == Step.SENT
                && maySend()
                && onTheWay < WINDOW_LENGTH
                && count < most
                && turnLength < TURN_LENGTH) {
            step = source.next();
            count++;
        }
        if (count > 0) {
            lane.watch().onTurn(start, loop.nanoTime());
        }
        switch (step) {
            case NO_ROOM -> {
                isQueued = true;
                lane.waitInTurn(enterAgain);
            }
            case NOTHING_LEFT -> source.onNothingLeft();
            case SENT -> goOn();
            case LOOKS, WAITS -> {}
        }
    }

    private void look(final long now) {
        controller().look(now);
        final long rate = controller().rate();
        pace.limit(speed == 0 ? rate : Math.min(speed, rate));
    }

    private boolean maySend() {
        return source.mayGoOn() && !isQueued && waitNanos(loop.nanoTime()) == 0;
    }

    /** How long the next run has to wait for its turn; 0 for not at all. */
    private long waitNanos(final long now) {
        if (isHeld && heldUntilNanos - now <= 0) {
            isHeld = false;
        }
        return Math.max(isHeld ? heldUntilNanos - now : 0, pace.waitNanos(now));
    }

    /** Others have their turn first; or the secondary has to answer; or it is too early. */
    private void goOn() {
        if (!source.mayGoOn() || isQueued) {
            return;
        }
        final long wait = waitNanos(loop.nanoTime());
        if (wait > 0) {
            goOnIn(Math.min(wait, LOOK_NANOS));
        } else if (onTheWay < WINDOW_LENGTH) {
            goOnSoon();
        } else if (!isWatching) {
            isWatching = true;
            sent.element().lane.watchInTurn(sendAgain);
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

    private void goOnIn(final long nanos) {
        if (!isHeldBack) {
            isHeldBack = true;
            loop.schedule(
                    nanos,
                    () -> {
                        isHeldBack = false;
                        send();
                    });
        }
    }

    /** Something was answered; perhaps of this. */
    private boolean sendAgain() {
        if (maySend() && !sent.isEmpty() && !sent.element().isAnswered()) {
            return false;
        }
        isWatching = false;
        send();
        return true;
    }

    /** It is its turn. */
    private boolean enterAgain() {
        isQueued = false;
        final Lane entered = lane;
        if (!source.mayGoOn() || entered.room().isHopeless()) {
            return true;
        }
        isEntering = true;
        final Step step = source.next();
        isEntering = false;
        if (step == Step.NO_ROOM && lane.number() == entered.number()) {
            isQueued = true;
            return false;
        }
        goOnSoon(); // which waits where it is for another lane by now
        return true;
    }
}
