package io.lockstep.engine.tracking;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.ActivityRecord.Knowledge;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * What a node has changed on its disks and its peer may lack: never less than that while the peer
 * is known ({@link #isKnown}), and at most what was changed before the last two times that the peer
 * has made everything durable. A {@link ChangeMap} for each disk.
 *
 * <p>In its group's turn; but what is about to be changed is noted on the disk's loop ({@link
 * #mark}), in its own map. In steady state nothing is allocated, and no system call made. In files
 * it is exact after a kill. After the loss of power it is what its maps had on stable storage, and
 * whole regions that were hot then ({@link ActivityLog}), which are {@link #forEachSuspect
 * suspect}; without an activity log it counts as not known.
 */
public final class Tracking implements AutoCloseable {
    private final TrackingPage page;
    private final List<ChangeMap> maps;

    /** Where it lies; null for one that goes with the process. */
    private final TrackingStorage storage;

    private final Regions regions;

    /** Null where it does not outlive the loss of power. */
    private ActivityLog activity;

    /** Regions of which more may have changed than is noted. */
    private List<Integer> suspects;

    /** Whether the tail that is noted here is perhaps not on stable storage. */
    private boolean isTailFresh;

    /** Whether the newer layer, and the older, have something of regions that are not hot. */
    private boolean isColdNoted;

    private boolean isColdNotedBefore;

    /** By disk: whether another disk below is guarded, and this one need not be. */
    private final boolean[] isGuardedBelow;

    /** The older layer is of epochs up to this one at most. */
    private long olderEpoch = Long.MAX_VALUE;

    private Tracking(
            final TrackingPage page,
            final List<ChangeMap> maps,
            final TrackingStorage storage,
            final Regions regions,
            final List<Integer> suspects) {
        this.page = page;
        this.maps = new ArrayList<>(maps);
        this.storage = storage;
        this.regions = regions;
        this.suspects = suspects;
        isGuardedBelow = new boolean[maps.size()];
    }

    /** One that goes with the process, of disks of these lengths. */
    public static Tracking inMemory(final List<Long> lengths) {
        final TrackingPage page =
                new TrackingPage(Arena.ofAuto().allocate(TrackingPage.LENGTH, Long.BYTES));
        page.begin(describe(lengths), Id.NONE);
        final List<ChangeMap> maps =
                lengths.stream()
                        .map(
                                length ->
                                        new ChangeMap(
                                                length,
                                                new ProcessSpace(ChangeMap.lengthFor(length))))
                        .toList();
        return new Tracking(
                page, maps, null, new Regions(lengths, ActivityLimits.STANDARD), List.of());
    }

    /**
     * Opens one as a killed process left it, made if there is none that counts. Nothing of it
     * outlives the boot.
     *
     * @param directory that of the node's state
     * @param lengths of the disks, in bytes
     * @param boot the host's
     * @throws IOException where it can't be had
     */
    public static Tracking open(final Path directory, final List<Long> lengths, final Id boot)
            throws IOException {
        final TrackingFiles files = TrackingFiles.open(directory, lengths);
        boolean opened = false;
        try {
            final long disks = describe(lengths);
            final TrackingPage page = new TrackingPage(files.page());
            if (!page.isOf(disks, boot)) {
                files.clearMaps();
                page.begin(disks, boot);
            }
            opened = true;
            return new Tracking(
                    page,
                    maps(files, lengths),
                    files,
                    new Regions(lengths, ActivityLimits.STANDARD),
                    List.of());
        } finally {
            if (!opened) {
                files.close();
            }
        }
    }

    private static List<ChangeMap> maps(final TrackingStorage storage, final List<Long> lengths) {
        final List<ChangeMap> maps = new ArrayList<>();
        for (int i = 0; i < lengths.size(); i++) {
            maps.add(new ChangeMap(lengths.get(i), storage.map(i)));
        }
        return maps;
    }

    /**
     * Opens one as a killed process or the loss of power left it, made if there is none that
     * counts. Blocking.
     *
     * @param storage becomes its own
     * @param lengths of the disks, in bytes
     * @param boot the host's
     * @param background waits for the storage
     * @param loop the group's
     * @throws IOException where it can't be had
     */
    public static Tracking openLasting(
            final TrackingStorage storage,
            final List<Long> lengths,
            final Id boot,
            final Background background,
            final IoLoop loop,
            final ActivityLimits limits)
            throws IOException {
        boolean opened = false;
        try {
            final long disks = describe(lengths);
            final FoundActivity found = FoundActivity.in(storage, disks);
            final TrackingPage page = new TrackingPage(storage.page());
            final boolean isOurs = found.record().isPresent() && page.isOf(disks, boot);
            final List<ChangeMap> maps =
                    isOurs ? maps(storage, lengths) : recover(storage, lengths, found);
            final ActivityRecord newest =
                    isOurs
                            ? found.record().get()
                            : found.afterLossOfPower(
                                    disks, maps.stream().map(ChangeMap::filling).toList());
            if (!isOurs) {
                storage.syncMaps();
                storage.write(found.next(), newest.encode());
                page.begin(disks, boot);
                page.know(newest.knowledge());
            }
            final Tracking tracking =
                    new Tracking(
                            page, maps, storage, new Regions(lengths, limits), newest.suspect());
            final int copy = isOurs ? found.copy() : found.next();
            tracking.begin(
                    new ActivityLog(
                            storage,
                            background,
                            loop,
                            limits,
                            tracking.regions,
                            newest,
                            copy,
                            tracking.new Present()),
                    newest.knowledge());
            opened = true;
            return tracking;
        } finally {
            if (!opened) {
                storage.close();
            }
        }
    }

    private static List<ChangeMap> recover(
            final TrackingStorage storage, final List<Long> lengths, final FoundActivity found)
            throws IOException {
        if (!found.isKnown()) {
            storage.clearMaps();
            return maps(storage, lengths);
        }
        final List<ChangeMap> maps = new ArrayList<>();
        for (int i = 0; i < lengths.size(); i++) {
            maps.add(ChangeMap.recover(lengths.get(i), storage.map(i), found.filling(i) - 1));
        }
        return maps;
    }

    /** It goes on with an activity log, whose newest record says what is known after all. */
    private void begin(final ActivityLog log, final Knowledge recorded) {
        activity = log;
        for (int i = 0; i < maps.size(); i++) {
            keepLines(i);
        }
        if (!recorded.peer().equals(page.peer())) {
            log.forget();
        }
    }

    private void keepLines(final int disk) {
        maps.get(disk).keep((block, filling) -> keeps(disk, block, filling));
    }

    /**
     * Has room for the notes of a disk that becomes longer, so that {@link #lengthen} finds it.
     *
     * @param length in bytes
     * @throws IOException where that can't be had: then nothing has changed
     */
    public void prepare(final int disk, final long length) throws IOException {
        if (storage != null) {
            storage.lengthen(disk, length);
            maps.set(disk, new ChangeMap(regions.lengthOf(disk), storage.map(disk)));
            if (activity != null) {
                keepLines(disk);
            }
        }
    }

    /**
     * A disk is longer from now on, for which there is room.
     *
     * @param isEqual whether the peer is known to hold the same behind the old end; otherwise it
     *     lacks all of that, as is noted before anything says that these are the disks
     */
    public void lengthen(final int disk, final long length, final boolean isEqual) {
        final long before = regions.lengthOf(disk);
        regions.lengthen(disk, length);
        final ChangeMap.Space space =
                storage == null
                        ? new ProcessSpace(maps.get(disk).space(), ChangeMap.lengthFor(length))
                        : storage.map(disk);
        maps.set(disk, new ChangeMap(length, space));
        if (activity != null) {
            activity.lengthen(disk);
            keepLines(disk); // of the line that has the old end, too
        }
        if (!isEqual) {
            mark(disk, before, length - before);
        }
        final long described = describe(regions.lengths());
        page.disks(described);
        if (activity != null) {
            activity.describe(described);
        }
    }

    /** What the activity log records. */
    private final class Present implements ActivityLog.Source {
        @Override
        public Knowledge knowledge() {
            return new Knowledge(
                    page.peer(), page.base(), page.sealed(), page.isWithoutTail() || isTailFresh);
        }

        @Override
        public List<Long> fillings() {
            return maps.stream().map(ChangeMap::filling).toList();
        }

        @Override
        public List<Integer> suspects() {
            return suspects;
        }

        @Override
        public void onLeft() {
            isColdNoted = true;
            isColdNotedBefore = true;
        }
    }

    /**
     * Whether the maps' lines have to keep there what was dropped: the record counts it, and says
     * nothing of the region.
     */
    private boolean keeps(final int disk, final long firstBlock, final long filling) {
        final long offset = firstBlock * ChangeMap.BLOCK_LENGTH;
        final long end =
                Math.min(
                        regions.lengthOf(disk),
                        offset + (long) ChangeMap.LINE_BLOCKS * ChangeMap.BLOCK_LENGTH);
        boolean isCold = false;
        for (int region = regions.at(disk, offset); region <= regions.at(disk, end - 1); region++) {
            isCold |= !activity.isHot(region);
        }
        isColdNoted |= isCold;
        return isCold && filling >= activity.countsFrom(disk);
    }

    /**
     * A disk as it is to be written by those whose changes are noted: none begins before the
     * activity log has it.
     *
     * @param local the disk
     */
    public Disk guard(final int disk, final Disk local) {
        if (activity == null || isGuardedBelow[disk]) {
            return local;
        }
        activity.flushes(disk, local);
        return new GuardedDisk(local, disk, activity);
    }

    /** The same of a disk over which others will lie, which need no guard of their own. */
    public Disk guardBelow(final int disk, final Disk local) {
        final Disk guarded = guard(disk, local);
        isGuardedBelow[disk] = activity != null;
        return guarded;
    }

    /** Who hears why what writes wait for could not be recorded, which is tried again. */
    public void onNotRecorded(final Consumer<String> listener) {
        if (activity != null) {
            activity.onNotRecorded(listener);
        }
    }

    /**
     * Somebody who does not track is about to write: what is noted in a state's directory is no
     * longer all.
     *
     * @throws IOException where that can't be said
     */
    public static void invalidate(final Path directory) throws IOException {
        TrackingFiles.remove(directory);
    }

    private static long describe(final List<Long> lengths) {
        return lengths.hashCode() & 0xffff_ffffL | (long) lengths.size() << Integer.SIZE;
    }

    /** That of a disk, by its number in the group. */
    public ChangeMap disk(final int number) {
        return maps.get(number);
    }

    /**
     * Notes that a disk is about to be changed there. Where that can't be noted, no peer is known.
     * On the disk's loop.
     */
    public void mark(final int disk, final long offset, final long length) {
        if (maps.get(disk).mark(offset, length) != 0) {
            knowNobody();
        }
    }

    /**
     * Whether a peer lacks no more than what is noted.
     *
     * @param epoch of which it has all on stable storage: one that has less than it once had is an
     *     old copy of itself; and where it has more than was ever sealed here, this is one
     */
    public boolean isKnown(final Id peer, final long epoch) {
        return isKnown(peer)
                && !page.isWithoutTail()
                && epoch >= page.base()
                && epoch <= page.sealed();
    }

    /** Whether it is known what a peer lacks that is as it said last; but perhaps for its tail. */
    public boolean isKnown(final Id peer) {
        return !peer.isNone() && page.peer().equals(peer);
    }

    /**
     * A peer lacks no more than what is noted, from now on.
     *
     * @param epoch of which it has all on stable storage
     * @param openEpoch to which belongs what is changed now
     */
    public void know(final Id peer, final long epoch, final long openEpoch) {
        know(peer, epoch, false);
        olderEpoch = openEpoch;
    }

    /**
     * A peer was the primary until this node took over at an epoch. It lacks what is noted, and has
     * written what it has noted itself.
     */
    public void knowWithoutTail(final Id peer, final long epoch) {
        know(peer, epoch, true);
        olderEpoch = Long.MAX_VALUE;
    }

    private void know(final Id peer, final long epoch, final boolean isWithoutTail) {
        if (activity != null && !activity.mayRecord(peer)) {
            knowNobody(); // until no record speaks of another one
            return;
        }
        suspects = List.of();
        isTailFresh = false;
        put(peer, epoch, isWithoutTail);
        if (activity != null) {
            activity.renew();
        }
    }

    private void put(final Id peer, final long epoch, final boolean isWithoutTail) {
        page.peer(Id.NONE);
        page.base(epoch);
        page.withoutTail(isWithoutTail);
        page.peer(peer);
    }

    private void knowNobody() {
        page.peer(Id.NONE);
        if (activity != null) {
            activity.forget();
        }
    }

    /**
     * What the peer has noted itself is noted here, too. It may not be on stable storage: there the
     * peer's notes go on to count.
     */
    public void onTailNoted() {
        isTailFresh = true;
        put(page.peer(), page.base(), false);
    }

    /** Nothing is noted, and nobody known to lack no more. */
    public void forget() {
        knowNobody();
        suspects = List.of();
        maps.forEach(ChangeMap::clear);
        olderEpoch = Long.MAX_VALUE;
    }

    /** Runs an action when what was forgotten will not turn up again; at once, or on the loop. */
    public void whenForgotten(final Runnable action) {
        if (activity == null) {
            action.run();
        } else {
            activity.whenForgotten(action);
        }
    }

    /** An epoch is sealed: all that was changed in it is noted, or was. */
    public void seal(final long epoch) {
        page.sealed(epoch);
        if (activity != null) {
            activity.onSealed(epoch);
        }
    }

    /** What its notes and those of a peer come to together. */
    public PeerKnowledge knowledge() {
        return new PeerKnowledge(page);
    }

    /**
     * The known peer has made durable what was changed up to the end of an epoch, and will know.
     *
     * @param openEpoch to which belongs what is changed now
     */
    public void onDurable(final long epoch, final long openEpoch) {
        if (epoch >= olderEpoch) {
            page.base(olderEpoch);
            maps.forEach(ChangeMap::exchange);
            olderEpoch = openEpoch;
            if (activity != null && isColdNotedBefore) {
                activity.renew(); // or what was dropped would be sent after the loss of power
            }
            isColdNotedBefore = isColdNoted;
            isColdNoted = false;
        }
    }

    /** Bytes that are noted, and those of suspect regions. */
    public long length() {
        long length = 0;
        for (int disk = 0; disk < maps.size(); disk++) {
            length += length(disk);
        }
        return length;
    }

    /** The same of a disk. */
    public long length(final int disk) {
        final long[] length = {maps.get(disk).length()};
        forEachSuspect(disk, (offset, end) -> length[0] += end - offset);
        return length[0];
    }

    /** Takes a range of a disk. */
    public interface RangeConsumer {
        /** From an offset to an end, in bytes. */
        void accept(long offset, long end);
    }

    /** The regions of a disk of which nobody knows what in them was changed. */
    public void forEachSuspect(final int disk, final RangeConsumer ranges) {
        for (final int region : suspects) {
            if (regions.disk(region) == disk) {
                ranges.accept(regions.offset(region), regions.end(region));
            }
        }
    }

    /**
     * Which blocks of a disk are noted, or lie in suspect regions, a bit each, the lowest first.
     *
     * @param firstBlock a multiple of 64
     * @param words of 64 blocks each; behind the disk there is none
     */
    public void copy(
            final int disk,
            final long firstBlock,
            final int words,
            final MemorySegment into,
            final long position) {
        maps.get(disk).copy(firstBlock, words, into, position);
        final long endBlock = firstBlock + (long) words * Long.SIZE;
        forEachSuspect(
                disk,
                (offset, end) -> {
                    final long last = Math.min((end - 1) / ChangeMap.BLOCK_LENGTH + 1, endBlock);
                    for (long block = Math.max(firstBlock, offset / ChangeMap.BLOCK_LENGTH);
                            block < last;
                            block++) {
                        final long at = position + (block - firstBlock >> 3);
                        final byte bits = into.get(ValueLayout.JAVA_BYTE, at);
                        into.set(ValueLayout.JAVA_BYTE, at, (byte) (bits | 1 << (block & 7)));
                    }
                });
    }

    /**
     * The process ends in good order, and the disks have been flushed: after the loss of power
     * nothing will be suspect but what is now. Blocking, when nothing of it is under way.
     *
     * @throws IOException where that can't be stored
     */
    public void settle() throws IOException {
        if (activity != null) {
            activity.settle();
        }
    }

    /** Lets go of the files, and keeps them. */
    @Override
    public void close() {
        if (storage != null) {
            storage.close();
        }
    }
}
