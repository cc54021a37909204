package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.Tracking;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Makes an export of another NBD server equal to a disk that its guest goes on using, and keeps it
 * so until that is ended: all of the disk is sent, holes as zeroes, and what the guest changes is
 * forwarded. It is the synchronisation of a pair, and its log and link; but towards a plain server,
 * whatever that is: without epochs, and without anything of it being recorded. So nobody knows
 * after a cut what the other side still has, and a mirror whose link is lost has failed.
 *
 * <p>The guest waits for nothing: where the log is full, what it changes is noted and sent later.
 * On the guest's loop, which has the disk; the link has its own. Source: QEMU's {@code
 * block/mirror.c}, as managers know it.
 */
public final class DiskMirror implements AutoCloseable {
    /** Hears how it goes, on the guest's loop. */
    public interface Owner {
        /** The target is equal for the first time, but for what is on the way. */
        void onReady();

        /** It has ended, and the target is equal to what the disk was when its guest left it. */
        void onCompleted();

        /**
         * It can't go on, and the target is not equal.
         *
         * @param isOfSource whether the disk itself can't be read
         * @param reason a sentence
         */
        void onFailed(boolean isOfSource, String reason);

        /**
         * A part of the disk can't be read. Answers whether the mirror goes on without it, and
         * tries it again; otherwise it has failed.
         *
         * @param reason a sentence
         */
        default boolean mayGoOn(final String reason) {
            return false;
        }
    }

    /** What could not be read is tried again when so long has gone by. */
    private static final long RETRY_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Payloads that wait for the target's answer, in bytes: what the guest may be ahead. */
    private static final int LOG_LENGTH = 16 << 20;

    private enum Phase {
        IDLE,
        /** It is made equal, or is ahead of the target. */
        RUNNING,
        /** All that there is of it is in the log. */
        EQUAL,
        /** The guest is about to leave, and waits for the target where the log is full. */
        LEAVING,
        /** The guest has gone; what is in the log is still to be answered. */
        DRAINING,
        ENDED
    }

    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private final Peer target;
    private final Owner owner;
    private final ForwardLog log = new ForwardLog(LOG_LENGTH);
    private final RoomQueue room;
    private final PrimaryDisk disk;
    private final Synchroniser synchroniser;
    private final Link link;
    private final WakeUp linkWakeUp = new WakeUp();
    private final Runnable workTask = this::work;

    private Phase phase = Phase.IDLE;
    private boolean isReady;
    private Runnable whenEqual;

    /** When what could not be read is tried again, where something could not. */
    private long retryNanos;

    private boolean isToRetry;
    private final List<Runnable> settling = new ArrayList<>();
    private boolean isClosed;

    /**
     * One that {@link #start} begins.
     *
     * @param source what lies below the guest, of the guest's loop
     * @param target of the same length
     * @param rate between what it is as fast as the guest lets it
     * @param limits of what it reads, and of what it sends
     */
    public DiskMirror(
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final Disk source,
            final Peer target,
            final PeerTimeout timeout,
            final SyncRate rate,
            final MirrorLimits limits,
            final Owner owner) {
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
        this.target = target;
        this.owner = owner;
        room = new RoomQueue(guestLoop, log, 0, timeout.nanos(), this::onFullLog);
        final Lanes lanes = new Lanes(guestLoop, log, room, new GuestWatch(guestLoop, rate));
        final Tracking tracking = Tracking.inMemory(List.of(source.length()));
        disk =
                new PrimaryDisk(
                        source,
                        new OutOfSync(source.length()),
                        new Source(),
                        0,
                        lanes.of(0),
                        tracking);
        synchroniser =
                new Synchroniser(guestLoop, List.of(disk), limits.source(), new Synchronisation());
        link =
                new Link(
                        linkLoop,
                        new Peer[] {target},
                        new PrimaryDisk[] {disk},
                        lanes,
                        timeout,
                        SecondaryKind.FOREIGN,
                        0,
                        limits.target(),
                        new LinkReport(guestLoop, new MirrorLink(new Target())));
    }

    /** What the guest uses meanwhile, in place of the source. */
    public Disk disk() {
        return disk;
    }

    /** Begins. The guest uses the {@link #disk} by now. */
    public void start() {
        phase = Phase.RUNNING;
        synchroniser.prepareFull();
        linkLoop.execute(link::start);
    }

    /**
     * The same with a target that is equal, as somebody says: what changes is sent, and no more.
     */
    public void startEqual() {
        phase = Phase.EQUAL;
        isReady = true;
        linkLoop.execute(link::start);
    }

    /** Runs an action when the target has all that was changed by now, or when it has ended. */
    public void settle(final Runnable action) {
        settling.add(action);
        settleWhereEqual();
    }

    private void settleWhereEqual() {
        if (phase == Phase.EQUAL) {
            final List<Runnable> all = List.copyOf(settling);
            settling.clear();
            all.forEach(room::drain);
        }
    }

    /** Whether it was ever equal. */
    public boolean isReady() {
        return isReady;
    }

    /** Bytes that have still to be sent, or answered. */
    public long left() {
        return isEnded() ? 0 : disk.outOfSync().length() + log.unansweredLength();
    }

    private boolean isEnded() {
        return phase == Phase.ENDED;
    }

    // ---- By hand.

    /** What it sends in a second at most, in bytes; 0 for as much as it can. */
    public void speed(final long bytes) {
        synchroniser.speed(bytes);
    }

    /** Nothing more is sent of what the guest does not change, until {@link #resume}. */
    public void pause() {
        synchroniser.pause();
    }

    /** It goes on. */
    public void resume() {
        synchroniser.resume();
    }

    // ---- Its end.

    /**
     * Runs an action as soon as all there is of the disk is in the log: now, unless the target has
     * just fallen behind. The guest is to leave the {@link #disk} then, and {@link #drain} follows.
     */
    public void whenEqual(final Runnable action) {
        whenEqual = action;
        leaveWhereEqual();
    }

    private void leaveWhereEqual() {
        if (phase == Phase.EQUAL && whenEqual != null) {
            final Runnable action = whenEqual;
            whenEqual = null;
            phase = Phase.LEAVING;
            action.run();
        }
    }

    /** The guest has left. What it was told is done is brought to the target, and flushed there. */
    public void drain() {
        if (phase != Phase.LEAVING) {
            return; // it has failed meanwhile
        }
        phase = Phase.DRAINING;
        disk.flush(
                (token, errno) ->
                        room.drain(
                                () -> {
                                    if (phase == Phase.DRAINING) {
                                        end(link::leave);
                                        owner.onCompleted();
                                    }
                                }),
                0);
        disk.poll();
    }

    /** Ends it at once, wherever it is: the target is not equal. Nobody is told. */
    public void cancel() {
        if (!isEnded()) {
            end(link::end);
        }
    }

    /** Cuts the link at once: it fails. */
    public void sever(final String reason) {
        linkLoop.execute(() -> link.sever(reason));
    }

    private void fail(final boolean isOfSource, final String reason) {
        if (!isEnded()) {
            end(link::end);
            owner.onFailed(isOfSource, reason);
        }
    }

    /** From now on changes go to the source, and nowhere else. */
    private void end(final Runnable endOfLink) {
        phase = Phase.ENDED;
        whenEqual = null;
        room.end();
        synchroniser.end("");
        linkLoop.execute(endOfLink);
        settling.forEach(Runnable::run);
        settling.clear();
    }

    /** Gives its memory back, while both loops go on. It has ended, and the guest has left. */
    public void release() {
        linkLoop.execute(() -> link.cut(() -> guestLoop.execute(this::close)));
    }

    /** The same where the link's loop has ended. */
    @Override
    public void close() {
        if (!isClosed) {
            isClosed = true;
            synchroniser.close();
            log.close();
        }
    }

    // ---- Ahead of the target.

    /** Nobody waits: what is changed from now on is noted, until the log is answered. */
    private void onFullLog() {
        if (room.isLogging() && (phase == Phase.RUNNING || phase == Phase.EQUAL)) {
            room.goAhead();
            synchroniser.suspend();
            phase = Phase.RUNNING;
            room.watch(this::isLogAnswered);
        }
    }

    private boolean isLogAnswered() {
        if (isEnded()) {
            return true;
        }
        if (log.released() < log.appended()) {
            return false;
        }
        final long wait = isToRetry ? retryNanos - guestLoop.nanoTime() : 0;
        if (wait > 0) {
            guestLoop.schedule(wait, () -> room.watch(this::isLogAnswered));
            return true;
        }
        isToRetry = false;
        room.logAgain();
        synchroniser.prepareRest();
        synchroniser.onUp(Id.NONE);
        return true;
    }

    private void onEqual() {
        phase = Phase.EQUAL;
        if (!isReady) {
            isReady = true;
            owner.onReady();
        }
        settleWhereEqual();
        leaveWhereEqual();
    }

    private void onUnknownContent(
            final String name, final long offset, final long end, final int errno) {
        final String reason =
                "disk "
                        + name
                        + " can't be read at "
                        + offset
                        + ": "
                        + Errno.meaning(errno)
                        + " ("
                        + Errno.name(errno)
                        + "); the target lacks what is there";
        if ((phase == Phase.RUNNING || phase == Phase.EQUAL) && owner.mayGoOn(reason)) {
            disk.outOfSync().add(offset, end);
            isToRetry = true;
            retryNanos = guestLoop.nanoTime() + RETRY_NANOS;
            onFullLog(); // as if the target could not take it now
        } else {
            fail(true, reason);
        }
    }

    private void work() {
        linkWakeUp.onAwake();
        link.work();
    }

    /** What its disk asks and tells. */
    private final class Source implements PrimaryDiskOwner {
        @Override
        public long nanoTime() {
            return guestLoop.nanoTime();
        }

        @Override
        public void onDecided() {
            if (linkWakeUp.isNeeded()) {
                linkLoop.execute(workTask);
            }
        }

        /** Its own server tells the guest. */
        @Override
        public void onGuestError(final String name, final long offset, final int errno) {}

        @Override
        public boolean onUnknown(
                final String name, final long offset, final long end, final int errno) {
            onUnknownContent(name, offset, end, errno);
            return !isEnded(); // no seal says that the target is equal
        }
    }

    /** What the synchronisation does. */
    private final class Synchronisation implements Synchroniser.Owner {
        /** When all of that is answered the target is equal, but for what came behind it. */
        @Override
        public void onSent() {
            room.drain(
                    () -> {
                        if (phase == Phase.RUNNING && room.isLogging()) {
                            synchroniser.onCommitted();
                        }
                    });
        }

        @Override
        public void onCaughtUp() {
            onEqual();
        }

        @Override
        public void onUnreadable(final String name, final long offset, final int errno) {
            onUnknownContent(name, offset, offset, errno);
        }

        // ---- A mirror tells how it stands by itself, and of a plain server there is no tail.

        @Override
        public void onBegun() {}

        @Override
        public void onJob(final Job.Report report) {}

        @Override
        public void onCancelled() {}

        @Override
        public void askForTail(final int number) {}

        @Override
        public void onTailsNoted() {}
    }

    /** What the target does. */
    private final class Target implements MirrorLink.Owner {
        @Override
        public void onUp() {
            if (phase == Phase.RUNNING) {
                synchroniser.onUp(Id.NONE);
            }
        }

        @Override
        public void onLost(final String reason) {
            fail(false, "the target " + target.export() + " at " + target.server() + ": " + reason);
        }

        @Override
        public void onReleased() {
            room.onReleased();
        }
    }
}
