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
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.Predicate;

/**
 * One disk of a secondary group: its two faces, towards the primary and towards the guest, and what
 * the primary says in the control space. On the group's loop.
 */
final class SecondaryDisk implements StreamDisk.Owner, GuestDisk.Owner, Merge.Owner, AutoCloseable {
    private final SecondaryGroup group;
    private final int index;
    private final Disk local;

    /** The same for those whose changes are noted. */
    private final Disk guarded;

    private final IoLoop loop;
    private final GroupPage page;
    private final DiskBuffers buffers;
    private final StreamDisk stream;
    private final GuestDisk guest;
    private final StreamControl control;

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
            final IoLoop loop,
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
        this.loop = loop;
        this.page = page;
        buffers =
                DiskBuffers.open(
                        options.buffers().get(index), local.length(), options.bufferLimit(), page);
        stream = new StreamDisk(local, buffers, page.sealedEpoch(index) + 1, this);
        control = new StreamControl(group, this, index, local, stream);
        final GuestDisk.Mode mode =
                page.state() == GroupPage.RUNNING
                        ? GuestDisk.Mode.BUFFERED
                        : page.state() == GroupPage.FAILED_OVER
                                ? GuestDisk.Mode.MERGING
                                : GuestDisk.Mode.CLOSED;
        guest = new GuestDisk(guarded, loop, page, buffers, mode, this);
    }

    String name() {
        return local.name();
    }

    ServedExport streamExport() {
        return ServedExport.of(stream, "replication", control);
    }

    ServedExport guestExport() {
        return ServedExport.of(guest, "guest's view");
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
        whenDrained(whenSealed);
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
    }

    /** Writes since the last checkpoint, as far as this process has seen them. */
    long uncommittedWrites() {
        return stream.writeCount() - committedCounts[0];
    }

    /** Bytes of them. */
    long uncommittedLength() {
        return stream.writtenLength() - committedCounts[1];
    }

    /** Runs an action when the writes of the sealed epochs have ended. */
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

    /** Cuts the primary's connection; the action runs when none of its writes is under way. */
    void endStream(final Runnable whenEnded) {
        control.evict();
        if (stream.isQuiet()) {
            whenEnded.run();
        } else {
            onQuiet.add(whenEnded);
        }
    }

    @Override
    public void onQuiet() {
        runAll(onQuiet);
    }

    void startMerge() {
        guest.mode(GuestDisk.Mode.MERGING);
        merge = new Merge(loop, guarded, buffers, guest, this);
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
        group.merge().onMerged();
    }

    @Override
    public void onMergeFailed(final String disk, final long offset, final int errno) {
        group.merge().onFailed(disk, offset, errno);
    }

    @Override
    public void onGuestError(
            final String disk, final long offset, final long length, final int errno) {
        final boolean isFull = errno == Errno.ENOSPC && guest.mode() == GuestDisk.Mode.BUFFERED;
        group.onGuestError(disk, offset, errno, isFull ? buffers.activeRoom(length) : "");
    }

    // ---- What the stream asks.

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
        group.onBroken(kind, disk, offset, errno, isFull ? buffers.hiddenRoom(length) : "");
    }

    @Override
    public boolean givesUpCheckpoint(final Runnable whenJudged) {
        return group.kept().giveUp(local.name(), buffers.hiddenTaken(), whenJudged);
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
        stream.flush((token, errno) -> whenFlushed.accept(errno), 0);
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

    /** Brings the buffers to stable storage. */
    void syncBuffers() throws IOException {
        buffers.sync();
    }

    void deleteBuffers() throws IOException {
        control.close();
        buffers.delete();
    }
}
