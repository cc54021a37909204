package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.OwnStance;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What a primary's process says where another primary looks for a secondary: what its node is, and
 * that nobody attaches to it. So two primaries notice each other. On the engine's loop. See
 * docs/protocol.md, "A primary listens".
 */
final class PrimaryDoor implements ControlSpace {
    private final ReplicationGroup group;
    private final OwnStance stance;
    private final int flags;
    private final EngineDisk disk;
    private final IoLoop turn;
    private final MemorySegment record =
            Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, Long.BYTES);
    private String reason = "";

    /** What a client is told. */
    private record Answer(int errno, String reason) {
        private static final Answer DONE = new Answer(0, "");
    }

    PrimaryDoor(
            final ReplicationGroup group,
            final OwnStance stance,
            final boolean isShared,
            final EngineDisk disk,
            final IoLoop turn) {
        this.group = group;
        this.stance = stance;
        this.flags = ControlRecord.PRIMARY | (isShared ? ControlRecord.SHARED : 0);
        this.disk = disk;
        this.turn = turn;
    }

    private Optional<Summary> summary() {
        final long committed = group.status().committedEpoch();
        return group.node()
                .map(
                        node -> {
                            final NodeRecord now = node.record();
                            final long epoch = Math.max(committed, now.committedEpoch());
                            return Summary.of(now, epoch, Id.NONE, -1, false).with(stance.now());
                        });
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        answer(completion, token, () -> read(offset, length, into, position));
    }

    /** What it is to say is known in the turn, and said on the client's loop. */
    private void answer(
            final Disk.Completion completion, final long token, final Supplier<Answer> found) {
        turn.within(
                () -> {
                    final Answer answer = found.get();
                    disk.loop()
                            .execute(
                                    () -> {
                                        reason = answer.reason;
                                        completion.onComplete(token, answer.errno);
                                    });
                });
    }

    private Answer read(
            final long offset, final int length, final MemorySegment into, final long position) {
        final Optional<Summary> summary = summary();
        if (offset >= Nbd.CONTROL_HASHES || summary.isEmpty()) {
            return refuse(Errno.EPERM, "this is a primary");
        }
        ControlRecord.write(
                record, 0, ControlRecord.STATE, 0, group.status().committedEpoch(), Id.NONE, flags);
        ControlRecord.summary(record, 0, summary.get());
        MemorySegment.copy(record, offset, into, position, length);
        return Answer.DONE;
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
        answer(completion, token, () -> write(offset, length, from, position));
    }

    private Answer write(
            final int offset, final int length, final MemorySegment from, final long position) {
        final boolean isAttach =
                offset == 0
                        && length == ControlRecord.LENGTH_WITH_SUMMARY
                        && ControlRecord.isValid(from, position)
                        && ControlRecord.kind(from, position) == ControlRecord.ATTACH;
        return isAttach ? meet(from, position) : refuse(Errno.EPERM, refusal());
    }

    /** One to whom this node would be a secondary comes again: it is none yet. */
    private Answer meet(final MemorySegment from, final long position) {
        final Optional<Summary> primary = ControlRecord.summary(from, position);
        final Optional<Summary> own = summary();
        if (primary.isEmpty() || own.isEmpty()) {
            return refuse(Errno.EINVAL, "this is no summary of a node");
        }
        final Word word = ControlRecord.word(ControlRecord.flags(from, position));
        final Meeting.Answer answer = Meeting.of(primary.get(), own.get(), word);
        return answer.isAgreed()
                ? refuse(Errno.ESHUTDOWN, refusal())
                : refuse(Errno.EPERM, Meeting.sentence(answer, primary.get(), own.get(), word));
    }

    private Answer refuse(final int errno, final String sentence) {
        return new Answer(errno, "disk " + disk.name() + ": " + sentence);
    }

    @Override
    public String reason() {
        return reason;
    }

    @Override
    public boolean mayChange(final Client client) {
        return false;
    }

    @Override
    public String refusal() {
        return "this is a primary, and takes no stream";
    }

    @Override
    public void onGone(final Client client) {
        // Nobody is attached.
    }
}
