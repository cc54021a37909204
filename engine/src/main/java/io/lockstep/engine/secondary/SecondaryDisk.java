package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.Emptiness;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.engine.server.ServedExport;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

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
    private final MemorySegment record =
            Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, Long.BYTES);

    /** The connection of the primary; null for none. */
    private Client attached;

    /** The connection of a primary that presents itself while the disk is looked at. */
    private Client attaching;

    private String reason = "";

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
        endEpoch();
        whenDrained(whenSealed);
    }

    private void endEpoch() {
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

    private void whenDrained(final Runnable action) {
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

    /** The end of the merge is recorded. */
    void settle() {
        guest.settle();
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
    public void read(
            final int offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        if (offset + length <= ControlRecord.LENGTH) {
            writeState();
            MemorySegment.copy(record, offset, into, position, length);
            completion.onComplete(token, 0);
            return;
        }
        lookWhetherEmpty(
                isEmpty -> {
                    writeState();
                    ControlRecord.summary(record, 0, group.session().summary(isEmpty));
                    MemorySegment.copy(record, offset, into, position, length);
                    completion.onComplete(token, 0);
                });
    }

    private void writeState() {
        ControlRecord.write(
                record,
                0,
                ControlRecord.STATE,
                stream.openEpoch() - 1,
                group.committedEpoch(),
                group.session().id(),
                group.stateFlags());
    }

    /** Only at a first meeting it counts. */
    private void lookWhetherEmpty(final Emptiness.Answer answer) {
        if (!group.isFresh()) {
            answer.onLooked(false);
            return;
        }
        final long seen = stream.writeCount();
        Emptiness.look(local, isEmpty -> answer.onLooked(isEmpty && isUntouched(seen)));
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
                || length < ControlRecord.LENGTH
                || !ControlRecord.isValid(from, position)
                || length != lengthOf(ControlRecord.kind(from, position))) {
            errno =
                    refuse(
                            Errno.EINVAL,
                            "this is no control record of version " + ControlRecord.VERSION);
        } else if (ControlRecord.kind(from, position) == ControlRecord.ATTACH) {
            attach(client, from, position, completion, token);
            return;
        } else if (ControlRecord.kind(from, position) == ControlRecord.PULSE) {
            errno = pulse(ControlRecord.session(from, position));
        } else if (!isAttached(client)) {
            errno = refuse(Errno.EPERM, "no primary is attached on this connection");
        } else {
            group.session().heard();
            final long epoch = ControlRecord.epoch(from, position);
            final int flags = ControlRecord.flags(from, position);
            switch (ControlRecord.kind(from, position)) {
                case ControlRecord.COMMIT -> errno = commit(epoch);
                case ControlRecord.SEAL -> {
                    errno = seal(epoch);
                    if (errno == 0) {
                        whenSealed(
                                epoch, () -> completion.onComplete(token, onSealed(epoch, flags)));
                        return;
                    }
                }
                case ControlRecord.LEAVE -> {
                    leave(completion, token);
                    return;
                }
                case ControlRecord.ALONE -> {
                    group.session().leftBehind(refusal -> answer(completion, token, refusal));
                    return;
                }
                default -> errno = refuse(Errno.EINVAL, "unknown kind of control record");
            }
        }
        completion.onComplete(token, errno);
    }

    /** The primary is there, on whichever connection it says so. */
    private int pulse(final Id session) {
        if (!session.equals(group.session().id())) {
            return refuse(Errno.EPERM, "this is not the session that is attached");
        }
        group.session().heard();
        return 0;
    }

    private static int lengthOf(final int kind) {
        return kind == ControlRecord.ATTACH
                ? ControlRecord.LENGTH_WITH_SUMMARY
                : ControlRecord.LENGTH;
    }

    private int refuse(final int errno, final String sentence) {
        reason = "disk " + local.name() + ": " + sentence;
        return errno;
    }

    private void answer(final Disk.Completion completion, final long token, final String refusal) {
        completion.onComplete(token, refusal == null ? 0 : refuse(Errno.EPERM, refusal));
    }

    private void attach(
            final Client client,
            final MemorySegment from,
            final long position,
            final Disk.Completion completion,
            final long token) {
        final Optional<Summary> primary = ControlRecord.summary(from, position);
        if (primary.isEmpty()) {
            completion.onComplete(token, refuse(Errno.EINVAL, "this is no summary of a node"));
            return;
        }
        final Word word = ControlRecord.word(ControlRecord.flags(from, position));
        attaching = client;
        lookWhetherEmpty(
                isEmpty -> {
                    final SecondarySession session = group.session();
                    final String refusal =
                            isAttaching(client)
                                    ? session.refuse(primary.get(), word, isEmpty)
                                    : "another connection of a primary attaches";
                    if (refusal != null) {
                        answer(completion, token, refusal);
                        return;
                    }
                    attaching = null;
                    session.offer(
                            index, client, primary.get(), why -> answer(completion, token, why));
                });
    }

    /** Whether failover, too, leads to what is in the disk, and nobody has written meanwhile. */
    private boolean isUntouched(final long writeCount) {
        return stream.isQuiet()
                && stream.writeCount() == writeCount
                && (!group.hasBuffers() || buffers.hiddenUsed() == 0);
    }

    /** The primary's connection. */
    void attach(final Client client) {
        attached = client;
    }

    /** No primary is attached any more. */
    void detach(final Predicate<Client> isEvicted) {
        final Client before = attached;
        attached = null;
        if (before != null && isEvicted.test(before)) {
            before.evict();
        }
    }

    /** All that the primary has written is brought to stable storage, before it leaves. */
    private void leave(final Disk.Completion completion, final long token) {
        if (group.errnoOfChanges() != 0) {
            answer(completion, token, group.refusalOfChanges());
            return;
        }
        local.flush(
                (ignored, errno) -> {
                    if (errno == 0) {
                        group.session().leave(refusal -> answer(completion, token, refusal));
                    } else {
                        answer(
                                completion,
                                token,
                                "the disk can't be flushed: " + Errno.meaning(errno));
                    }
                },
                0);
        local.poll();
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
        endEpoch();
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
        if (isAttached(client)) {
            return true;
        }
        final boolean isTaken = group.session().takesAnyone();
        if (isTaken) {
            group.session().onForeignChange();
        }
        return isTaken;
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
        group.session().onGone(index, client);
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

    /** Brings the buffers to stable storage. */
    void syncBuffers() throws IOException {
        buffers.sync();
    }

    void deleteBuffers() throws IOException {
        buffers.delete();
    }
}
