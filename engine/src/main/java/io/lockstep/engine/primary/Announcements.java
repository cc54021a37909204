package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.tracking.Tracking;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The disks of a primary whose secondary sees the same ones: it announces what it will overwrite,
 * and waits until the secondary has what was there. While the link is lost what is not announced
 * waits, until the two have met again, or it is recorded that the primary is alone: then nothing is
 * announced any more, until the next first checkpoint.
 *
 * <p>On the guest's loop; the link's says when there are answers, and wakes the guest's only where
 * somebody waits for them. See docs/shared-disk.md.
 */
final class Announcements implements Forwarding {
    /** So long it is tried to tell a secondary that it is left behind. */
    static final long LEAVE_NANOS = TimeUnit.SECONDS.toNanos(6);

    private final IoLoop loop;
    private final Lane lane;
    private final ForwardLog log;
    private final RoomQueue room;
    private final PrimaryReign reign;
    private final PeerPresence presence;
    private final Tracking tracking;
    private final PrimaryDiskOwner owner;
    private final LostLinkPolicy policy;
    private final EmptyDisks emptyDisks;
    private final Runnable whenAlone;
    private final List<AnnouncingDisk> disks = new ArrayList<>();
    private final List<PrimaryDisk> guestDisks = new ArrayList<>();
    private final WakeUp wakeUp = new WakeUp();
    private final Runnable lookTask = this::lookSoon;

    /** Nothing is announced: the secondary is recorded to be out, or this node to be alone. */
    private boolean isAlone;

    /** Whether the secondary is being told that it is left behind. */
    private boolean isLeaving;

    /** Those who wait for the seals to go out, and for a flush behind them. */
    private final List<Runnable> awaitingFlush = new ArrayList<>();

    /** Whether what waits has asked whether this node may go on alone. */
    private boolean isHeld;

    /** For the link's loop: the answers to announcements before this frame are waited for. */
    private volatile long awaited = Long.MAX_VALUE;

    /**
     * Of disks that are still to be named.
     *
     * @param policy what to do when the link is lost
     * @param whenAlone runs when nothing is announced any more
     */
    Announcements(
            final IoLoop loop,
            final int diskCount,
            final PrimaryDiskOwner owner,
            final Lane lane,
            final PrimaryReign reign,
            final PeerPresence presence,
            final Tracking tracking,
            final LostLinkPolicy policy,
            final Runnable whenAlone) {
        this.loop = loop;
        this.owner = owner;
        this.lane = lane;
        log = lane.log();
        room = lane.room();
        this.reign = reign;
        this.presence = presence;
        this.tracking = tracking;
        this.policy = policy;
        this.whenAlone = whenAlone;
        emptyDisks = EmptyDisks.unknown(diskCount);
    }

    @Override
    public PrimaryDisk disk(final Disk local, final int number) {
        final AnnouncingDisk disk = new AnnouncingDisk(local, number, this, log);
        disks.add(disk);
        final PrimaryDisk guest = new SharedDisk(disk, owner, number, lane, tracking);
        guestDisks.add(guest);
        return guest;
    }

    /** What they hold is no matter: nothing is sent, and a first checkpoint always made. */
    @Override
    public EmptyDisks emptyDisks() {
        return emptyDisks;
    }

    @Override
    public int attachFlags() {
        return policy.kind() == LostLinkPolicy.Kind.CONTINUE
                ? ControlRecord.SHARED | ControlRecord.GOES_ON
                : ControlRecord.SHARED;
    }

    // ---- What the disks ask and tell.

    long nanoTime() {
        return loop.nanoTime();
    }

    void onDecided() {
        owner.onDecided();
    }

    @Override
    public boolean isAlone() {
        return isAlone;
    }

    boolean isHopeless() {
        return room.isHopeless();
    }

    void waitForRoom(final RoomQueue.Waiting entry) {
        room.waitForRoom(entry);
        hold();
    }

    /** A change waits for the answers to the announcements before a frame. */
    void onWaiting(final long frame) {
        if (frame < awaited) {
            awaited = frame;
            if (log.released() >= frame) {
                wake(); // they came before anybody was to be woken
            }
        }
        hold();
    }

    // ---- Answers.

    @Override
    public void onReleased() {
        if (log.released() >= awaited) {
            wake();
        }
    }

    private void wake() {
        if (wakeUp.isNeeded()) {
            loop.execute(lookTask);
        }
    }

    private void lookSoon() {
        wakeUp.onAwake();
        look();
    }

    private void look() {
        for (int i = 0; i < disks.size(); i++) {
            disks.get(i).look();
        }
        long first = Long.MAX_VALUE;
        for (int i = 0; i < disks.size(); i++) {
            first = Math.min(first, disks.get(i).awaited());
        }
        awaited = first;
        if (log.released() >= first) {
            wake();
        }
    }

    private boolean isAnyWaiting() {
        return awaited != Long.MAX_VALUE || room.isAnyWaiting();
    }

    // ---- Epochs.

    /** A disk's changes of the sealed epochs have ended. */
    void onSealed() {
        if (!awaitingFlush.isEmpty() && disks.stream().allMatch(AnnouncingDisk::isDrained)) {
            final List<Runnable> all = List.copyOf(awaitingFlush);
            awaitingFlush.clear();
            all.forEach(this::flush);
        }
    }

    /** Of a cluster's file system each host has a part in memory that only its own flush writes. */
    @Override
    public void whenDurableHere(final Runnable action) {
        awaitingFlush.add(action);
        onSealed();
    }

    private void flush(final Runnable action) {
        LocalFlush.flushAll(guestDisks, action, () -> {});
    }

    @Override
    public boolean isOfOneDisk() {
        return true;
    }

    @Override
    public void seal(final int disk, final long frame) {
        disks.get(disk).seal(frame);
    }

    /** The secondary is attached anew, and has no pre-images that count. */
    @Override
    public void onSkipped() {
        final long frame = log.appended();
        isAlone = false;
        awaited = Long.MAX_VALUE;
        disks.forEach(disk -> disk.announceAnew(frame));
    }

    // ---- Without a link.

    @Override
    public void onCut() {
        if (isAnyWaiting()) {
            hold();
        }
    }

    /** What it is not told the guest does not overwrite, as long as it can be told. */
    @Override
    public void onLeaving() {
        isLeaving = true;
        loop.schedule(LEAVE_NANOS, this::left);
    }

    @Override
    public void onPeerOut() {
        left();
    }

    private void left() {
        if (isLeaving) {
            isLeaving = false;
            onCut();
        }
    }

    /** Where the link is lost: until the two have met again, or this node may go on alone. */
    private void hold() {
        if (isHeld || isAlone || isLeaving) {
            return;
        }
        if (!reign.isGated()) {
            goOnWhereAlone();
            return;
        }
        isHeld = true;
        reign.acknowledge(
                errno -> {
                    isHeld = false;
                    if (errno != 0) {
                        disks.forEach(disk -> disk.refuse(errno));
                    } else if (!presence.isLinked()) {
                        goAlone();
                    }
                });
    }

    /** Whoever waits may be the first since this node was recorded to be alone. */
    private void goOnWhereAlone() {
        if (!presence.isLinked()) {
            isHeld = true;
            loop.execute(
                    () -> {
                        isHeld = false;
                        if (!presence.isLinked() && !reign.isGated()) {
                            goAlone();
                        } else {
                            onCut();
                        }
                    });
        }
    }

    /** It is recorded that the secondary does not get what is written: it can't take over. */
    private void goAlone() {
        isAlone = true;
        whenAlone.run();
        room.look();
        look();
    }

    @Override
    public void close() {
        disks.forEach(AnnouncingDisk::close);
    }
}
