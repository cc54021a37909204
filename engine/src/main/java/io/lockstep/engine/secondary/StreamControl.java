package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.Emptiness;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What a primary says and asks in the control space of a disk's replication export, and whose
 * changes that takes. Seals and hashes have their place in the stream, and are taken on its loop as
 * they come; all else in the group's turn. See docs/protocol.md.
 */
final class StreamControl implements ControlSpace, AutoCloseable {
    private final SecondaryGroup group;

    /** The group's. */
    private final IoLoop loop;

    private final SecondaryDisk disk;
    private final int index;
    private final Disk local;
    private final StreamDisk stream;
    private final HashSpace hashes;
    private final StreamSeals seals;
    private final MemorySegment record =
            Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, Long.BYTES);

    private static final String NOT_ATTACHED = "no primary is attached on this connection";

    /** The connection of the primary; null for none. */
    private Client attached;

    /** The connection of a primary that presents itself while the disk is looked at. */
    private Client attaching;

    private String reason = "";

    StreamControl(
            final SecondaryGroup group,
            final IoLoop loop,
            final SecondaryDisk disk,
            final int index,
            final Disk local,
            final StreamDisk stream) {
        this.group = group;
        this.loop = loop;
        this.disk = disk;
        this.index = index;
        this.local = local;
        this.stream = stream;
        hashes = new HashSpace(stream);
        seals = new StreamSeals(group, loop, disk, stream, this);
    }

    /** Whether a primary is attached. */
    boolean isAttached() {
        return attached != null;
    }

    /** Cuts its connection. */
    void evict() {
        if (attached != null) {
            attached.evict();
        }
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        if (offset >= Nbd.CONTROL_HASHES && offset < Nbd.CONTROL_CHANGES) {
            hashes.read(group.session().id(), offset, length, into, position, completion, token);
        } else if (loop.isHad()) {
            tell(offset, length, into, position, completion, token);
        } else {
            loop.execute(() -> tell(offset, length, into, position, completion, token));
        }
    }

    private void tell(
            final long offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        if (offset >= Nbd.CONTROL_CHANGES) {
            final long first = (offset - Nbd.CONTROL_CHANGES) * Byte.SIZE;
            group.tracking().copy(index, first, length / Long.BYTES, into, position);
            completion.onComplete(token, 0);
            return;
        }
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
                    writeLengthThere();
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
                group.stateFlags() | group.succession().sharing().stateFlags());
        ControlRecord.durableEpoch(record, 0, group.durability().recordedEpoch());
    }

    /** Only where a node is asked who it is: it may wait for whoever changes the file. */
    private void writeLengthThere() {
        final long there = local.lengthThere();
        ControlRecord.lengthThere(record, 0, there);
        if (there > local.length() && local.isHoleBehind()) {
            ControlRecord.addFlag(record, 0, ControlRecord.HOLE_BEHIND);
        }
    }

    /** Only at a first meeting it counts. */
    private void lookWhetherEmpty(final Emptiness.Answer answer) {
        if (!group.isFresh()) {
            answer.onLooked(false);
            return;
        }
        if (group.succession().sharing().isShared()) {
            answer.onLooked(true); // it has nothing of its own
            return;
        }
        final long seen = stream.writeCount();
        Emptiness.look(
                local, isEmpty -> loop.within(() -> answer.onLooked(isEmpty && isUntouched(seen))));
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
        final boolean isSeal =
                offset == 0
                        && length == ControlRecord.LENGTH
                        && ControlRecord.isValid(from, position)
                        && ControlRecord.kind(from, position) == ControlRecord.SEAL;
        if (isSeal) {
            seal(client, from, position, completion, token);
        } else if (loop.isHad()) {
            take(client, offset, length, from, position, completion, token);
        } else {
            loop.execute(() -> take(client, offset, length, from, position, completion, token));
        }
    }

    private void seal(
            final Client client,
            final MemorySegment from,
            final long position,
            final Disk.Completion completion,
            final long token) {
        if (isAttached(client)) {
            seals.take(from, position, completion, token);
        } else {
            completion.onComplete(token, refuse(Errno.EPERM, NOT_ATTACHED));
        }
    }

    private void take(
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
                || !isLengthOf(ControlRecord.kind(from, position), length)) {
            errno =
                    refuse(
                            Errno.EINVAL,
                            "this is no control record of version " + ControlRecord.VERSION);
        } else if (length == ControlRecord.LENGTH_WITH_SUMMARY) {
            attach(client, from, position, completion, token);
            return;
        } else if (ControlRecord.kind(from, position) == ControlRecord.PULSE) {
            errno = pulse(ControlRecord.session(from, position));
        } else if (!isAttached(client)) {
            errno = refuse(Errno.EPERM, NOT_ATTACHED);
        } else {
            group.session().heard();
            final long epoch = ControlRecord.epoch(from, position);
            switch (ControlRecord.kind(from, position)) {
                case ControlRecord.COMMIT -> errno = commit(epoch);
                case ControlRecord.DURABLE -> {
                    group.durability()
                            .whenDurable(
                                    epoch,
                                    client,
                                    failure -> completion.onComplete(token, failure));
                    return;
                }
                case ControlRecord.HAND_OVER -> {
                    handOver(client, epoch, completion, token);
                    return;
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

    @Override
    public void announce(
            final Client client,
            final long offset,
            final long length,
            final Disk.Completion completion,
            final long token) {
        if (!group.succession().sharing().isShared() || length > StreamDisk.saveLengthMax()) {
            completion.onComplete(
                    token, refuse(Errno.EINVAL, "this is no announcement of a shared disk"));
        } else if (isAttached(client)) {
            stream.save(offset, length, completion, token);
        } else {
            completion.onComplete(
                    token, refuse(Errno.EPERM, "no primary is attached on this connection"));
        }
    }

    /** The primary is there, on whichever connection it says so. */
    private int pulse(final Id session) {
        if (!session.equals(group.session().id())) {
            return refuse(Errno.EPERM, "this is not the session that is attached");
        }
        group.session().heard();
        return 0;
    }

    private static boolean isLengthOf(final int kind, final int length) {
        return length == ControlRecord.LENGTH_WITH_SUMMARY
                ? kind == ControlRecord.ATTACH || kind == ControlRecord.ALONE
                : length == ControlRecord.LENGTH && kind != ControlRecord.ATTACH;
    }

    int refuse(final int errno, final String sentence) {
        reason = "disk " + local.name() + ": " + sentence;
        return errno;
    }

    private void answer(final Disk.Completion completion, final long token, final String refusal) {
        completion.onComplete(token, refusal == null ? 0 : refuse(Errno.EPERM, refusal));
    }

    /** What this node is becomes known in a moment: it is no refusal for good. */
    private void answerChanging(final Disk.Completion completion, final long token) {
        completion.onComplete(
                token, refuse(Errno.ESHUTDOWN, "this node is becoming something else"));
    }

    /** It has taken over, and its process hears in a while only that it is not the newest. */
    private void answerNotYet(final Disk.Completion completion, final long token) {
        completion.onComplete(
                token,
                refuse(
                        Errno.ESHUTDOWN,
                        group.ending()
                                + ", and it is no secondary before it has heard of the peer; if it"
                                + " stays so start it again, with 'lockstep node'"));
    }

    /** Another connection takes its place: it is no refusal for good, and it may come again. */
    private void oust(final Disk.Completion completion, final long token) {
        completion.onComplete(
                token, refuse(Errno.ESHUTDOWN, "another connection of a primary attaches"));
    }

    /** A primary presents itself: to be attached, or to say that it goes on without this node. */
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
        final int flags = ControlRecord.flags(from, position);
        final Word word = ControlRecord.word(flags);
        final boolean isAlone = ControlRecord.kind(from, position) == ControlRecord.ALONE;
        final long toCome = ControlRecord.toCome(from, position);
        final long length = ControlRecord.diskLength(from, position);
        attaching = client;
        lookWhetherEmpty(
                isEmpty -> {
                    if (!isAttaching(client)) {
                        oust(completion, token);
                        return;
                    }
                    if (group.isChanging()) {
                        answerChanging(completion, token);
                        return;
                    }
                    final SecondarySession session = group.session();
                    final String otherKind =
                            isAlone ? null : group.succession().sharing().refuse(flags);
                    final String refusal =
                            otherKind == null
                                    ? session.refuse(primary.get(), word, isEmpty)
                                    : otherKind;
                    if (refusal != null) {
                        answer(completion, token, refusal);
                        return;
                    }
                    if (group.isOver()) {
                        answerNotYet(completion, token);
                        return;
                    }
                    attaching = null;
                    if (isAlone) {
                        session.leftBehind(
                                why ->
                                        completion.onComplete(
                                                token,
                                                why == null ? 0 : refuse(Errno.ESHUTDOWN, why)));
                        return;
                    }
                    if (length > local.length()) {
                        lengthen(length, completion, token);
                        return;
                    }
                    session.offer(
                            index,
                            client,
                            primary.get(),
                            flags,
                            isEmpty,
                            toCome,
                            why -> answer(completion, token, why),
                            () -> oust(completion, token));
                });
    }

    /**
     * The primary's disk is longer: so is this one from now on, where its file is. Connections are
     * of the old length, so that the primary comes anew.
     */
    private void lengthen(final long length, final Disk.Completion completion, final long token) {
        final String refusal = group.lengths().refusal(index, length);
        if (refusal != null) {
            answer(completion, token, refusal);
            return;
        }
        group.lengths()
                .take(
                        index,
                        length,
                        why ->
                                completion.onComplete(
                                        token,
                                        refuse(
                                                Errno.ESHUTDOWN,
                                                why == null
                                                        ? "it has " + length + " bytes now"
                                                        : why)));
    }

    /** Whether failover, too, leads to what is in the disk, and nobody has written meanwhile. */
    private boolean isUntouched(final long writeCount) {
        return stream.isQuiet()
                && stream.writeCount() == writeCount
                && (!group.hasBuffers() || disk.hiddenUsed() == 0);
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
        flush(
                () -> group.session().leave(index, refusal -> answer(completion, token, refusal)),
                completion,
                token);
    }

    /** What is flushed here counts for all disks, and while this connection is the primary's. */
    private void handOver(
            final Client client,
            final long epoch,
            final Disk.Completion completion,
            final long token) {
        if (epoch == 0) {
            group.roleTaking().onDeclined();
            completion.onComplete(token, 0);
            return;
        }
        final RoleTaking taking = group.roleTaking();
        final String refusal = taking.refusal(epoch);
        if (refusal != null) {
            answer(completion, token, refusal);
            return;
        }
        group.disks()
                .flush(
                        isFlushed -> {
                            if (!isAttached(client)) {
                                completion.onComplete(token, Errno.ESHUTDOWN); // it has come again
                                return;
                            }
                            taking.take(epoch, isFlushed, why -> answer(completion, token, why));
                        });
    }

    /** All that makes the disk equal to the primary's is brought to stable storage first. */
    void catchUp(final long epoch, final Disk.Completion completion, final long token) {
        final Id session = group.session().id();
        flush(
                () ->
                        group.session()
                                .caughtUp(
                                        index,
                                        session,
                                        epoch,
                                        why -> answer(completion, token, why)),
                completion,
                token);
    }

    private void flush(
            final Runnable whenFlushed, final Disk.Completion completion, final long token) {
        disk.flush(
                errno -> {
                    if (errno == 0) {
                        whenFlushed.run();
                    } else {
                        answer(
                                completion,
                                token,
                                "the disk can't be flushed: " + Errno.meaning(errno));
                    }
                });
    }

    int commit(final long epoch) {
        final String refusal = group.checkpoints().commitUnlessRefused(epoch);
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
    public void onEnding(final Client client) {
        loop.within(
                () -> {
                    group.durability().onEnding(client);
                    group.session().onEnding(index, client);
                });
    }

    @Override
    public void onGone(final Client client) {
        loop.within(() -> forget(client));
    }

    private void forget(final Client client) {
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

    @Override
    public void close() {
        hashes.close();
    }
}
