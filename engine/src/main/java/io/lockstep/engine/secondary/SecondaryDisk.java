package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.Emptiness;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.engine.server.ServedExport;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * One disk of a secondary group: its two faces, towards the primary and towards the guest, and what
 * the primary says in the control space. On the group's loop.
 */
final class SecondaryDisk
        implements StreamDisk.Owner, GuestDisk.Owner, Merge.Owner, ControlSpace, AutoCloseable {
    private final SecondaryGroup group;
    private final int index;
    private final Disk local;
    private final IoLoop loop;
    private final GroupPage page;
    private final DiskBuffers buffers;
    private final StreamDisk stream;
    private final GuestDisk guest;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, Long.BYTES);

    /** The connection of the primary; null for none. */
    private Client attached;

    /** The connection of a primary of which it is being looked at whether the pair is equal. */
    private Client attaching;

    private String reason = "";

    /** What waits for the writes of the sealed epoch, and for all writes, to end. */
    private final List<Runnable> onDrained = new ArrayList<>();

    private final List<Runnable> onQuiet = new ArrayList<>();
    private Merge merge;

    SecondaryDisk(
            final SecondaryGroup group,
            final int index,
            final Disk local,
            final IoLoop loop,
            final GroupPage page,
            final SecondaryGroup.Options options)
            throws IOException {
        this.group = group;
        this.index = index;
        this.local = local;
        this.loop = loop;
        this.page = page;
        buffers =
                DiskBuffers.open(
                        options.buffers().get(index), local.length(), options.bufferLimit(), page);
        stream = new StreamDisk(local, buffers, page.sealedEpoch(index) + 1, this);
        final GuestDisk.Mode mode =
                page.state() == GroupPage.RUNNING
                        ? GuestDisk.Mode.BUFFERED
                        : page.state() == GroupPage.FAILED_OVER
                                ? GuestDisk.Mode.MERGING
                                : GuestDisk.Mode.CLOSED;
        guest = new GuestDisk(local, loop, page, buffers, mode, this);
    }

    String name() {
        return local.name();
    }

    ServedExport streamExport() {
        return ServedExport.of(stream, "replication", this);
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

    /** Ends the open epoch; the action runs when all of its writes are in the disk. */
    void seal(final Runnable whenSealed) {
        stream.seal();
        if (stream.isDrained()) {
            onDrained();
        }
        whenDrained(whenSealed);
    }

    private void whenDrained(final Runnable action) {
        if (stream.isDrained()) {
            action.run();
        } else {
            onDrained.add(action);
        }
    }

    @Override
    public void onDrained() {
        page.seal(index, stream.openEpoch() - 1);
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
        if (attached != null) {
            attached.evict();
        }
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
        merge = new Merge(loop, local, page, buffers, guest, this);
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

    boolean isMerged() {
        return guest.mode() == GuestDisk.Mode.DIRECT;
    }

    @Override
    public void onMerged() {
        group.onMerged();
    }

    @Override
    public void onMergeFailed(final String disk, final long offset, final int errno) {
        group.onMergeFailed(disk, offset, errno);
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
        return attached != null;
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

    // ---- The control space.

    @Override
    public int read(
            final int offset, final int length, final MemorySegment into, final long position) {
        ControlRecord.write(
                record,
                0,
                ControlRecord.STATE,
                stream.openEpoch() - 1,
                group.committedEpoch(),
                group.session().high(),
                group.session().low(),
                group.stateFlags());
        MemorySegment.copy(record, offset, into, position, length);
        return 0;
    }

    @Override
    public void write(
            final Client client,
            final int offset,
            final int length,
            final MemorySegment from,
            final long position,
            final Disk.Completion completion,
            final long token) {
        final int errno;
        if (offset != 0
                || length != ControlRecord.LENGTH
                || !ControlRecord.isValid(from, position)) {
            errno = refuse(Errno.EINVAL, "this is no control record of version 1");
        } else {
            final long epoch = ControlRecord.epoch(from, position);
            final int flags = ControlRecord.flags(from, position);
            switch (ControlRecord.kind(from, position)) {
                case ControlRecord.ATTACH -> {
                    attach(client, from, position, completion, token);
                    return;
                }
                case ControlRecord.COMMIT ->
                        errno = isAttached(client) ? commit(epoch) : refuseStranger();
                case ControlRecord.SEAL -> {
                    errno = isAttached(client) ? seal(epoch) : refuseStranger();
                    if (errno == 0) {
                        whenSealed(
                                epoch, () -> completion.onComplete(token, onSealed(epoch, flags)));
                        return;
                    }
                }
                default -> errno = refuse(Errno.EINVAL, "unknown kind of control record");
            }
        }
        completion.onComplete(token, errno);
    }

    private int refuse(final int errno, final String sentence) {
        reason = "disk " + local.name() + ": " + sentence;
        return errno;
    }

    private int refuseStranger() {
        return refuse(Errno.EPERM, "no primary is attached on this connection");
    }

    private void attach(
            final Client client,
            final MemorySegment from,
            final long position,
            final Disk.Completion completion,
            final long token) {
        final long high = ControlRecord.sessionHigh(from, position);
        final long low = ControlRecord.sessionLow(from, position);
        final int flags = ControlRecord.flags(from, position);
        final String refusal = group.session().refuse(high, low);
        if (refusal != null) {
            completion.onComplete(token, refuse(Errno.EPERM, refusal));
        } else if (page.isAttached(index) || (flags & ControlRecord.ASSUME_IDENTICAL) != 0) {
            completion.onComplete(token, admit(client, high, low));
        } else if ((flags & ControlRecord.EMPTY) == 0) {
            completion.onComplete(token, refuseUnequal());
        } else {
            attaching = client;
            final long seen = stream.writeCount();
            Emptiness.look(
                    local,
                    isEmpty ->
                            completion.onComplete(
                                    token, admitIfEmpty(client, high, low, isEmpty, seen)));
        }
    }

    private int admitIfEmpty(
            final Client client,
            final long high,
            final long low,
            final boolean isEmpty,
            final long writeCount) {
        final String refusal = group.session().refuse(high, low); // it may have ended meanwhile
        if (refusal != null) {
            return refuse(Errno.EPERM, refusal);
        }
        final boolean isEqual = isEmpty && isUntouched(writeCount) && isAttaching(client);
        return isEqual ? admit(client, high, low) : refuseUnequal();
    }

    /** Whether failover, too, leads to what is in the disk, and nobody has written meanwhile. */
    private boolean isUntouched(final long writeCount) {
        return stream.isQuiet() && stream.writeCount() == writeCount && buffers.hiddenUsed() == 0;
    }

    private int refuseUnequal() {
        return refuse(
                Errno.EPERM,
                "the pair is not known to be equal; copy the primary's disk to the secondary, and"
                        + " start the primary with --assume-identical");
    }

    private int admit(final Client client, final long high, final long low) {
        if (!page.isAttached(index)) {
            page.attach(index);
            group.session().adopt(high, low);
        }
        if (attached != null && !isAttached(client)) {
            attached.evict(); // what an old connection still has in its buffers must not come late
        }
        attached = client;
        group.onLink();
        return 0;
    }

    private int seal(final long epoch) {
        final long open = stream.openEpoch();
        if (epoch < open) {
            return 0;
        }
        if (epoch > open) {
            return refuse(
                    Errno.EINVAL, "epoch " + epoch + " can't be sealed: the open one is " + open);
        }
        if (epoch + 1 > group.committedEpoch() + SecondaryCheckpoints.UNCOMMITTED_MAX) {
            return refuse(
                    Errno.EINVAL,
                    "epoch "
                            + epoch
                            + " can't be sealed before epoch "
                            + (epoch - 1)
                            + " is committed");
        }
        stream.seal();
        if (stream.isDrained()) {
            onDrained();
        }
        return 0;
    }

    private void whenSealed(final long epoch, final Runnable action) {
        if (epoch == stream.openEpoch() - 1) {
            whenDrained(action);
        } else {
            action.run(); // an older one
        }
    }

    /** The group's last disk to seal the epoch commits it, where that was asked for. */
    private int onSealed(final long epoch, final int flags) {
        final boolean commitsToo =
                (flags & ControlRecord.AND_COMMIT) != 0 && epoch <= group.sealedEpoch();
        return commitsToo ? commit(epoch) : 0;
    }

    private int commit(final long epoch) {
        final String refusal = group.commitUnlessRefused(epoch);
        return refusal == null ? 0 : refuse(Errno.EINVAL, refusal);
    }

    @Override
    public String reason() {
        return reason;
    }

    @Override
    public boolean mayChange(final Client client) {
        return isAttached(client) || group.session().takesAnyone();
    }

    @Override
    public String refusal() {
        return group.refusalOfChanges();
    }

    @Override
    public void onGone(final Client client) {
        if (isAttaching(client)) {
            attaching = null;
        }
        if (isAttached(client)) {
            attached = null;
            group.onLink();
        }
    }

    @SuppressWarnings("ReferenceEquality") // a connection equals itself alone
    private boolean isAttached(final Client client) {
        return attached == client;
    }

    @SuppressWarnings("ReferenceEquality") // a connection equals itself alone
    private boolean isAttaching(final Client client) {
        return attaching == client;
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
        buffers.close();
    }

    void deleteBuffers() throws IOException {
        buffers.delete();
    }
}
