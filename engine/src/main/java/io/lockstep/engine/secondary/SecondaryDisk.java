package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.engine.server.ServedExport;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.Predicate;

/**
 * One disk of a secondary group: its two faces, towards the primary and towards the guest, and what
 * the primary says in the control space. Its stream, and all that it writes, is on a loop that may
 * be the disk's own ({@link StreamPlace}); what the group has to do with it is done in the group's
 * turn.
 */
final class SecondaryDisk implements StreamDisk.Owner, GuestDisk.Owner, Merge.Owner, AutoCloseable {
    private final SecondaryGroup group;
    private final int index;
    private final Disk local;

    /** The same for those whose changes are noted. */
    private final Disk guarded;

    /** The group's. */
    private final IoLoop loop;

    private final StreamPlace place;
    private final GroupPage page;
    private final DiskBuffers buffers;
    private final StreamDisk stream;
    private final GuestDisk guest;
    private final StreamControl control;

    /** Where the guest goes in while the stream has the disk elsewhere; null where it never has. */
    private final GuestDoor door;

    /** Who waits for the disk to be on the guest's loop; null once it is. */
    private List<Runnable> onHere;

    /** What waits for the writes of the sealed epoch, and for all writes, to end. */
    private final List<Runnable> onDrained = new ArrayList<>();

    private final List<Runnable> onQuiet = new ArrayList<>();
    private Merge merge;

    /** Writes and bytes until the end of the sealed epoch, and until that of the committed one. */
    private final long[] sealedCounts = new long[2];

    private final long[] committedCounts = new long[2];

    SecondaryDisk(
            final SecondaryGroup group,
            final int index,
            final Disk local,
            final StreamPlace place,
            final GroupPage page,
            final SecondaryOptions options)
            throws IOException {
        this.group = group;
        this.index = index;
        this.local = local;
        guarded =
                group.succession().sharing().isShared()
                        ? local
                        : group.tracking().guardBelow(index, local);
        this.place = place;
        this.page = page;
        loop = group.loop();
        buffers =
                DiskBuffers.open(
                        options.buffers().get(index), local.length(), options.bufferLimit(), page);
        if (page.sealedEpoch(index) < page.committedEpoch()) {
            // Killed when a primary was attached behind it, before what the last one sent ended.
            page.seal(index, page.committedEpoch());
        }
        stream = new StreamDisk(place.disk(), buffers, page.sealedEpoch(index) + 1, this);
        control = new StreamControl(group, loop, this, index, local, stream);
        final GuestDisk.Mode mode =
                page.state() == GroupPage.RUNNING
                        ? GuestDisk.Mode.BUFFERED
                        : page.state() == GroupPage.FAILED_OVER
                                ? GuestDisk.Mode.MERGING
                                : GuestDisk.Mode.CLOSED;
        final boolean isElsewhere =
                isElsewhere()
                        && (mode == GuestDisk.Mode.BUFFERED || page.state() == GroupPage.IDLE);
        guest =
                isElsewhere
                        ? new GuestDisk(place.disk(), place.loop(), page, buffers, mode, this)
                        : new GuestDisk(guarded, place.guestLoop(), page, buffers, mode, this);
        door = isElsewhere ? new GuestDoor(guest, place.guestLoop(), place.loop()) : null;
        onHere = isElsewhere ? new ArrayList<>() : null;
    }

    /** Whether the stream sees the disk from another loop than the guests do. */
    @SuppressWarnings("ReferenceEquality") // one disk, as two loops see it
    private boolean isElsewhere() {
        return place.disk() != local;
    }

    String name() {
        return local.name();
    }

    ServedExport streamExport() {
        return ServedExport.of(stream, "replication", control).on(place.loop());
    }

    ServedExport guestExport() {
        return ServedExport.of(door == null ? guest : door, "guest's view");
    }

    // ---- Start, seal, failover.

    void openToGuest() {
        guest.mode(GuestDisk.Mode.BUFFERED);
    }

    long openEpoch() {
        return stream.openEpoch();
    }

    /** Epochs go on behind this one; what is under way belongs to what was before. */
    void goOnBehind(final long epoch) {
        stream.goOnBehind(epoch);
        if (stream.isDrained()) {
            onDrained();
        }
    }

    /** Ends the open epoch; the action runs when all of its writes are in the disk. */
    void seal(final Runnable whenSealed) {
        endEpoch();
        whenDrained(() -> loop.within(whenSealed));
    }

    /** Ends the open epoch. */
    void endEpoch() {
        sealedCounts[0] = stream.writeCount();
        sealedCounts[1] = stream.writtenLength();
        stream.seal();
        if (stream.isDrained()) {
            onDrained();
        }
    }

    /** What was sealed last is committed. */
    void onCommitted() {
        System.arraycopy(sealedCounts, 0, committedCounts, 0, sealedCounts.length);
        buffers.onCommitted();
    }

    /** Writes since the last checkpoint, as far as this process has seen them. */
    long uncommittedWrites() {
        return stream.writeCount() - committedCounts[0];
    }

    /** Bytes of them. */
    long uncommittedLength() {
        return stream.writtenLength() - committedCounts[1];
    }

    /** Runs an action when the writes of the sealed epochs have ended; on the stream's loop. */
    void whenDrained(final Runnable action) {
        if (stream.isDrained()) {
            action.run();
        } else {
            onDrained.add(action);
        }
    }

    @Override
    public void onDrained() {
        if (group.hasBuffers()) {
            page.seal(index, stream.openEpoch() - 1);
        }
        runAll(onDrained);
    }

    private static void runAll(final List<Runnable> actions) {
        if (!actions.isEmpty()) {
            final List<Runnable> all = List.copyOf(actions);
            actions.clear();
            all.forEach(Runnable::run);
        }
    }

    /**
     * Cuts the primary's connection; the action runs when none of its writes is under way, and the
     * disk is on the guest's loop.
     */
    void endStream(final Runnable whenEnded) {
        control.evict();
        if (door != null) {
            door.onEnding();
        }
        final Runnable whenQuiet = () -> come(whenEnded);
        if (stream.isQuiet()) {
            whenQuiet.run();
        } else {
            onQuiet.add(whenQuiet);
        }
    }

    @Override
    public void onQuiet() {
        if (!onQuiet.isEmpty()) {
            loop.within(() -> runAll(onQuiet));
        }
    }

    /** Runs an action when the disk is on the guest's loop; nothing of the stream is under way. */
    void come(final Runnable whenHere) {
        if (onHere == null) {
            whenHere.run();
            return;
        }
        onHere.add(whenHere);
        if (onHere.size() == 1) {
            door.whenBack(() -> loop.within(this::arrive));
        }
    }

    private void arrive() {
        final List<Runnable> waiting = List.copyOf(onHere);
        onHere = null;
        guest.moveTo(place.guestLoop(), guarded);
        waiting.forEach(Runnable::run);
        door.come();
    }

    void startMerge() {
        guest.mode(GuestDisk.Mode.MERGING);
        merge = new Merge(place.guestLoop(), guarded, buffers, guest, this);
        merge.start();
    }

    /** Has a merge that goes on take as much of the loop as it can use. */
    void hurryMerge() {
        if (merge != null) {
            merge.hurry();
        }
    }

    /** The process ends first: who waits for the merge is told, and the buffers keep the rest. */
    void giveUpMerge() {
        if (merge != null && !isMerged()) {
            merge.stop();
            guest.failFlushes(Errno.ESHUTDOWN);
        }
    }

    /** The disk stands alone as it is. */
    void standAlone() {
        guest.mode(GuestDisk.Mode.DIRECT);
    }

    /** The end of the merge is recorded. */
    void settle() {
        guest.settle();
    }

    boolean isMerged() {
        return guest.mode() == GuestDisk.Mode.DIRECT;
    }

    @Override
    public void onChange(final long offset, final long length) {
        group.tracking().mark(index, offset, length);
    }

    @Override
    public void onMerged() {
        loop.within(() -> group.merge().onMerged());
    }

    @Override
    public void onMergeFailed(final String disk, final long offset, final int errno) {
        loop.within(() -> group.merge().onFailed(disk, offset, errno));
    }

    @Override
    public void onGuestError(
            final String disk, final long offset, final long length, final int errno) {
        final boolean isFull = errno == Errno.ENOSPC && guest.mode() == GuestDisk.Mode.BUFFERED;
        final String room = isFull ? buffers.activeRoom(length) : "";
        loop.within(() -> group.onGuestError(disk, offset, errno, room));
    }

    // ---- What the stream asks, on its loop.

    @Override
    public boolean isLinked() {
        return control.isAttached();
    }

    @Override
    public boolean isReplicating() {
        return group.isReplicating();
    }

    @Override
    public int errno() {
        return group.errnoOfChanges();
    }

    @Override
    public void onBroken(
            final ReplicationError.Kind kind,
            final String disk,
            final long offset,
            final long length,
            final int errno) {
        final boolean isFull = kind == ReplicationError.Kind.PRE_IMAGE && errno == Errno.ENOSPC;
        // Where that is done later, it is before a commit for whose sake anybody looks at this
        // disk later still.
        final String room = isFull ? buffers.hiddenRoom(length) : "";
        loop.within(() -> group.onBroken(kind, disk, offset, errno, room));
    }

    @Override
    public boolean givesUpCheckpoint(final Runnable whenJudged) {
        final String taken = buffers.hiddenTaken();
        if (loop.isHad()) {
            return group.kept().giveUp(local.name(), taken, whenJudged);
        }
        loop.execute(
                () -> {
                    if (!group.kept().giveUp(local.name(), taken, whenJudged)) {
                        whenJudged.run(); // which finds that it is not given up
                    }
                });
        return true;
    }

    /** Bytes that the hidden disk of the open epoch may still take, wherever they come from. */
    long hiddenLeft() {
        return buffers.hiddenLeft(stream.openEpoch());
    }

    /** Bytes of them that it has already. */
    long hiddenAhead() {
        return buffers.hiddenAhead(stream.openEpoch());
    }

    // ---- The primary's connection.

    /** The one whose changes are taken from now on. */
    void attach(final ControlSpace.Client client) {
        control.attach(client);
    }

    /** No primary is attached any more. */
    void detach(final Predicate<ControlSpace.Client> isEvicted) {
        control.detach(isEvicted);
    }

    /** Brings what is written to stable storage; one that fails ends replication. */
    void flush(final IntConsumer whenFlushed) {
        stream.flush((token, errno) -> loop.within(() -> whenFlushed.accept(errno)), 0);
        stream.poll();
    }

    // ---- Status and end.

    GroupStatus.DiskStatus status(final boolean hasBuffers) {
        return new GroupStatus.DiskStatus(
                local.name(),
                local.length(),
                stream.writeCount(),
                stream.writtenLength(),
                hasBuffers ? buffers.hiddenUsed() : 0,
                hasBuffers ? buffers.activeUsed() : 0,
                0);
    }

    long sealedEpoch() {
        return page.sealedEpoch(index);
    }

    long hiddenUsed() {
        return buffers.hiddenUsed();
    }

    long bufferUsed() {
        return buffers.hiddenUsed() + buffers.activeUsed();
    }

    long bufferLimit() {
        return buffers.limit();
    }

    long mergeDone() {
        return merge == null ? 0 : merge.doneLength();
    }

    long mergeTotal() {
        return merge == null ? 0 : merge.totalLength();
    }

    void trim(final long highWater) {
        buffers.trim(highWater);
    }

    long keptBlocks() {
        return buffers.keptBlocks();
    }

    /** As {@link DiskBuffers#prepare}. */
    boolean prepare(final long ahead, final MemorySegment zeros) {
        return buffers.prepare(Math.min(ahead, local.length()), zeros);
    }

    @Override
    public void close() {
        if (merge != null) {
            merge.stop();
        }
        control.close();
        buffers.close();
    }

    /** The disk becomes longer: they keep what they have. */
    void lengthenBuffers(final long length) throws IOException {
        buffers.lengthen(length);
    }

    /** The disk is longer, as the guests' loop knows already. */
    void lengthenStream(final long length) {
        if (isElsewhere()) {
            place.disk().lengthen(length);
        }
    }

    /** Brings the buffers to stable storage. */
    void syncBuffers() throws IOException {
        buffers.sync();
    }

    void deleteBuffers() throws IOException {
        control.close();
        buffers.delete();
    }
}
