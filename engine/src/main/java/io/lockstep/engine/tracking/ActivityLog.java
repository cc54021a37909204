package io.lockstep.engine.tracking;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.ActivityRecord.Knowledge;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The record on stable storage of a tracking, beside its maps: what is known of a peer, and which
 * regions are hot. A region is in it before the first change of the region begins, and leaves when
 * the disk has been flushed, and the maps are on stable storage, which have what was changed there:
 * so what the maps had on stable storage, and the hot regions, are never less than what was
 * changed. See docs/healing.md.
 *
 * <p>Two copies are written in turn, one at a time, off the loop; what can't be written is tried
 * again each second, and what needs it waits.
 *
 * <p>In the group's turn; but a change of hot regions begins and ends on its disk's loop, where it
 * costs some loads and stores of what is its regions' own, allocates nothing, and makes no system
 * call.
 */
final class ActivityLog {
    private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** What may be sealed until the record is written again is so much time's worth of epochs. */
    private static final long AHEAD_NANOS = TimeUnit.SECONDS.toNanos(60);

    private static final long AHEAD_MIN = 2;

    /** That many times what were sealed just now, at most. */
    private static final long AHEAD_MAX = 60;

    private final TrackingStorage storage;
    private final Background background;
    private final IoLoop loop;
    private final ActivityLimits limits;
    private final Regions regions;
    private final HotRegions hot;

    /** What the records say of the disks, and what they should say. */
    private long disks;

    private long disksNow;

    private final Source source;

    /** The disks that are flushed before regions of theirs leave; null where nobody writes one. */
    private final Disk[] flushed;

    private final Queue<Waiting> waiting = new ArrayDeque<>();
    private final List<Runnable> onForgotten = new ArrayList<>();
    private Consumer<String> onNotRecorded = sentence -> {};

    private long sequence;

    /** The copy that is written next: not the newest. */
    private int next;

    /** The newest record that is on stable storage. One that failed behind it may be, too. */
    private ActivityRecord durable;

    /** Whether a record that may be found speaks of a peer; and of whom the newest did. */
    private boolean mayClaim;

    private Id claimed;

    private boolean isWriting;

    /** Another record is wanted, though nobody enters. */
    private boolean isAsked;

    /** What the records say of a peer is not so any more: nobody writes until that is durable. */
    private boolean isForgetting;

    private boolean isWaitingToWrite;
    private boolean isLeaving;

    /** Somebody waits for room, and all that is hot is being changed. */
    private boolean isFull;

    // How far epochs may be sealed before another record is wanted.
    private long renewAt;
    private long recordedSealed;
    private long recordedNanos;

    /** What it records, as it is at this moment. */
    interface Source {
        /** What is known. */
        Knowledge knowledge();

        /** Of each disk's map, the newer one's. */
        List<Long> fillings();

        /** Regions of which more may have changed than is noted. */
        List<Integer> suspects();

        /** Some regions are hot no more: what the maps have of them counts. */
        void onLeft();
    }

    /** A change that has to wait. */
    interface Waiting {
        /** The first region that it changes. */
        int firstRegion();

        /** The last one. */
        int lastRegion();

        /** It has begun ({@link #begin}), and may be done. */
        void onBegun();
    }

    /**
     * One whose newest record was found, or made, and is on stable storage.
     *
     * @param newest the record
     * @param copy which of the copies has it
     */
    ActivityLog(
            final TrackingStorage storage,
            final Background background,
            final IoLoop loop,
            final ActivityLimits limits,
            final Regions regions,
            final ActivityRecord newest,
            final int copy,
            final Source source) {
        this.storage = storage;
        this.background = background;
        this.loop = loop;
        this.limits = limits;
        this.regions = regions;
        this.source = source;
        disks = newest.disks();
        disksNow = disks;
        flushed = new Disk[newest.fillings().size()];
        hot = new HotRegions(regions, limits.hotMax());
        for (final int region : newest.hot()) {
            hot.restore(region);
        }
        durable = newest;
        mayClaim = claims(newest);
        claimed = newest.knowledge().peer();
        sequence = newest.sequence();
        next = (copy + 1) % TrackingStorage.COPIES;
        recordedSealed = newest.knowledge().sealed();
        renewAt = recordedSealed;
        recordedNanos = loop.nanoTime();
    }

    /** Who hears why something could not be recorded, which is tried again. */
    void onNotRecorded(final Consumer<String> listener) {
        onNotRecorded = listener;
    }

    /** The disk that is flushed before regions of its number leave. */
    void flushes(final int disk, final Disk local) {
        flushed[disk] = local;
    }

    /** A disk is longer, as the regions know. */
    void lengthen(final int disk) {
        hot.lengthen(disk, regions.count(disk));
    }

    /**
     * The disks are others, since one is longer. Records say so when all that the maps have by now
     * is on stable storage; one that doesn't is of other disks after the loss of power, and nothing
     * is known then.
     *
     * @param described what they are now
     */
    void describe(final long described) {
        disksNow = described;
        recordDisks(described);
    }

    private void recordDisks(final long described) {
        background.run(
                storage::syncMaps,
                failure -> {
                    if (disksNow != described) {
                        return; // it is longer still
                    }
                    if (failure.isEmpty()) {
                        disks = described;
                        renew();
                    } else {
                        onNotRecorded.accept(failure.get() + "; it is tried again");
                        loop.schedule(AGAIN_NANOS, () -> recordDisks(described));
                    }
                });
    }

    // ---- Changes of the disks.

    /** The region of a byte of a disk. */
    int regionAt(final int disk, final long offset) {
        return regions.at(disk, offset);
    }

    /** Bytes of a region. */
    long regionLength() {
        return regions.length();
    }

    /** So many regions one change may have at most. */
    int spanMax() {
        return Math.max(1, limits.hotMax() / 16);
    }

    /**
     * A change of some regions begins, if it may: {@link #end} is called when it has ended.
     *
     * @return whether it may; otherwise {@link #await} has it wait
     */
    boolean begin(final int first, final int last) {
        return !isForgetting && hot.begin(first, last);
    }

    /** A change that had begun has ended. */
    void end(final int first, final int last) {
        hot.end(first, last);
        if (isFull && !isLeaving) {
            isFull = false; // or all would ask that end until it works
            loop.execute(this::work);
        }
    }

    /** A change waits until the record has what it changes; it begins on the loop, later. */
    void await(final Waiting change) {
        loop.within(
                () -> {
                    waiting.add(change);
                    work();
                });
    }

    /** Whether a region is in each record that may be found, and will be for now. */
    boolean isHot(final int region) {
        return hot.isHot(region);
    }

    private void work() {
        boolean hasRoom = true;
        for (final Waiting change : waiting) {
            for (int region = change.firstRegion();
                    hasRoom && region <= change.lastRegion();
                    region++) {
                hasRoom = hot.enter(region);
            }
        }
        isFull = !hasRoom;
        haveSomeLeave();
        write();
    }

    // ---- The record.

    /** What is known has changed: the record is to say so, but nobody waits for that. */
    void renew() {
        isAsked = true;
        write();
    }

    /**
     * What is known of the peer is not so any more, and nobody writes a disk before the record says
     * so.
     */
    void forget() {
        if (mayClaim) {
            isForgetting = true; // also on a disk's loop: its own next change waits by now
            loop.within(this::renew);
        }
    }

    private static boolean claims(final ActivityRecord found) {
        return !found.knowledge().peer().isNone();
    }

    /**
     * Whether a record may speak of a peer: not while another one may be found that speaks of
     * something that is not so any more.
     */
    boolean mayRecord(final Id peer) {
        return !isForgetting && (!mayClaim || peer.equals(claimed));
    }

    /**
     * The oldest filling that counts after the loss of power: of fillings before it nothing is
     * missed.
     */
    long countsFrom(final int disk) {
        return durable.fillings().get(disk) - 1;
    }

    /** Runs an action when no record speaks of what was forgotten; at once, or on the loop. */
    void whenForgotten(final Runnable action) {
        if (isForgetting) {
            onForgotten.add(action);
        } else {
            action.run();
        }
    }

    /** An epoch is sealed. The record has to say that it may be, some time before. */
    void onSealed(final long epoch) {
        if (epoch >= renewAt && mayClaim) {
            renew();
        }
    }

    private void write() {
        if (isWriting || isWaitingToWrite || !isAsked && !hot.hasEntering()) {
            return;
        }
        isAsked = false;
        final boolean isForgetfulRecord = isForgetting;
        final ActivityRecord record =
                new ActivityRecord(
                        ++sequence,
                        disks,
                        isForgetfulRecord ? Knowledge.NONE : ahead(source.knowledge()),
                        source.fillings(),
                        hot.listed(),
                        source.suspects());
        isWriting = true;
        if (claims(record)) {
            mayClaim = true;
            claimed = record.knowledge().peer();
        }
        final byte[] bytes = record.encode();
        final int copy = next;
        background.run(
                () -> storage.write(copy, bytes),
                failure -> onWritten(record, isForgetfulRecord, failure));
    }

    /** Epochs are sealed before the record is written again. */
    private Knowledge ahead(final Knowledge now) {
        final long nanos = loop.nanoTime();
        final long passed = Math.max(AHEAD_NANOS / AHEAD_MAX, nanos - recordedNanos);
        final long count = Math.max(0, now.sealed() - recordedSealed);
        final long ahead = Math.max(AHEAD_MIN, (long) ((double) count * AHEAD_NANOS / passed));
        recordedNanos = nanos;
        recordedSealed = now.sealed();
        renewAt = now.sealed() + ahead / 2;
        return new Knowledge(now.peer(), now.base(), now.sealed() + ahead, now.isWithoutTail());
    }

    private void onWritten(
            final ActivityRecord record,
            final boolean isForgetfulRecord,
            final Optional<String> failure) {
        isWriting = false;
        hot.onWritten(failure.isEmpty());
        if (failure.isPresent()) {
            isAsked = true;
            tryAgain(failure.get());
            return;
        }
        durable = record;
        mayClaim = claims(record);
        next = (next + 1) % TrackingStorage.COPIES;
        if (isForgetfulRecord) {
            isForgetting = false;
            final List<Runnable> all = List.copyOf(onForgotten);
            onForgotten.clear();
            all.forEach(Runnable::run);
        }
        goOn();
        work();
    }

    /** Those that waited for longest first, as far as all that they change is hot now. */
    private void goOn() {
        for (int i = waiting.size(); i > 0; i--) {
            final Waiting change = waiting.remove();
            if (begin(change.firstRegion(), change.lastRegion())) {
                change.onBegun();
            } else {
                waiting.add(change);
            }
        }
    }

    private void tryAgain(final String failure) {
        onNotRecorded.accept(
                failure
                        + "; writes to parts of the disks that were not written lately wait, and it"
                        + " is tried again");
        isWaitingToWrite = true;
        loop.schedule(
                AGAIN_NANOS,
                () -> {
                    isWaitingToWrite = false;
                    work();
                });
    }

    // ---- Leaving.

    private void haveSomeLeave() {
        if (isLeaving || isWaitingToWrite || hot.free() > limits.leaving()) {
            return;
        }
        if (hot.leave(limits.leaving()) > 0) {
            isLeaving = true;
            flushDisks(0);
        }
    }

    /** What was written there must not be lost any more: the peer may have it durably. */
    private void flushDisks(final int from) {
        int disk = from;
        while (disk < flushed.length && !hot.isLeaving(regions.at(disk, 0), regions.behind(disk))) {
            disk++;
        }
        if (disk == flushed.length) {
            background.run(storage::syncMaps, this::onLeft);
            return;
        }
        final int present = disk;
        flushed[present].flush((token, errno) -> loop.within(() -> onFlushed(present, errno)), 0);
        flushed[present].poll();
    }

    private void onFlushed(final int disk, final int errno) {
        if (errno == 0) {
            flushDisks(disk + 1);
        } else {
            onLeft(
                    Optional.of(
                            "disk "
                                    + flushed[disk].name()
                                    + " can't be flushed: "
                                    + Errno.meaning(errno)));
        }
    }

    private void onLeft(final Optional<String> failure) {
        isLeaving = false;
        hot.onLeft(failure.isEmpty());
        source.onLeft();
        failure.ifPresent(this::tryAgain);
        work();
    }

    // ---- The end.

    /**
     * The disks have been flushed, and nobody writes any more: nothing is hot. Blocking, when
     * nothing is under way.
     */
    void settle() throws IOException {
        storage.syncMaps();
        storage.write(
                next,
                new ActivityRecord(
                                sequence + 1,
                                disksNow,
                                isForgetting ? Knowledge.NONE : source.knowledge(),
                                source.fillings(),
                                List.of(),
                                source.suspects())
                        .encode());
    }
}
