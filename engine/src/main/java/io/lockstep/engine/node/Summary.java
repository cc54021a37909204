package io.lockstep.engine.node;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * What a node tells another one of itself when they meet. Immutable.
 *
 * @param node its name
 * @param group the name of its pair, or none
 * @param peer the node that it was last in a pair with, or none
 * @param standing where it stands
 * @param lineage its generations
 * @param committedEpoch the newest committed epoch: of a secondary its own, of a primary the one
 *     that it knows of its peer
 * @param session of a primary that of its log, which has all that was not answered: none as soon as
 *     something fell out of it, as by a detachment; of a secondary that of the primary that is
 *     attached, or was and broke off, and whose stream the buffers are of; or none
 * @param leftSession see {@link NodeRecord#leftSession}
 * @param trackedEpoch up to which epoch it has noted what it wrote as the primary of its peer; -1
 *     where it has not
 * @param trackedFrom of which epoch on it has noted all that it changed itself, and its peer may
 *     lack; -1 where it has not
 * @param concession see {@link NodeRecord#concession}
 * @param stance what it says for the case of a split brain
 * @param isJoining see {@link NodeRecord#isJoining}
 * @param isEmpty whether the disk that this connection is for has no data at all, looked at now
 */
public record Summary(
        Id node,
        Id group,
        Id peer,
        Standing standing,
        Lineage lineage,
        long committedEpoch,
        Id session,
        Id leftSession,
        long trackedEpoch,
        long trackedFrom,
        Concession concession,
        Stance stance,
        boolean isJoining,
        boolean isEmpty) {
    /** Bytes that one takes on the wire, whatever it says. */
    public static final int LENGTH = 1216;

    private static final int EMPTY = 1;
    private static final int JOINING = 1 << 1;
    private static final int GUEST = 1 << 2;

    /** Checks what belongs together. */
    public Summary {
        final boolean isFresh = standing == Standing.FRESH;
        if (node.isNone()
                || committedEpoch < 0
                || trackedEpoch < -1
                || trackedFrom < -1
                || isJoining && !isFresh
                || isFresh != lineage.isNone()
                || isFresh != group.isNone()) {
            throw new IllegalArgumentException("no summary of a node");
        }
    }

    /** Of a node that has noted nothing by itself, and has nothing to say of a split brain. */
    public Summary(
            final Id node,
            final Id group,
            final Id peer,
            final Standing standing,
            final Lineage lineage,
            final long committedEpoch,
            final Id session,
            final Id leftSession,
            final long trackedEpoch,
            final boolean isJoining,
            final boolean isEmpty) {
        this(
                node,
                group,
                peer,
                standing,
                lineage,
                committedEpoch,
                session,
                leftSession,
                trackedEpoch,
                -1,
                Concession.NONE,
                Stance.NONE,
                isJoining,
                isEmpty);
    }

    /**
     * A node's, with what its record does not know.
     *
     * @param committedEpoch the newest one
     */
    public static Summary of(
            final NodeRecord record,
            final long committedEpoch,
            final Id session,
            final long trackedEpoch,
            final boolean isEmpty) {
        return new Summary(
                record.node(),
                record.group(),
                record.peer(),
                record.standing(),
                record.lineage(),
                committedEpoch,
                session,
                record.leftSession(),
                trackedEpoch,
                -1,
                record.concession(),
                Stance.NONE,
                record.isJoining(),
                isEmpty);
    }

    /** The same of one that says something for the case of a split brain. */
    public Summary with(final Stance now) {
        return new Summary(
                node,
                group,
                peer,
                standing,
                lineage,
                committedEpoch,
                session,
                leftSession,
                trackedEpoch,
                trackedFrom,
                concession,
                now,
                isJoining,
                isEmpty);
    }

    /** The same of one that has noted what it changed from an epoch on; -1 where it has not. */
    public Summary trackedFrom(final long epoch) {
        return new Summary(
                node,
                group,
                peer,
                standing,
                lineage,
                committedEpoch,
                session,
                leftSession,
                trackedEpoch,
                epoch,
                concession,
                stance,
                isJoining,
                isEmpty);
    }

    /** The same of a secondary that has just lost the way back to a checkpoint. */
    public Summary torn() {
        return new Summary(
                node,
                group,
                peer,
                Standing.INCONSISTENT,
                lineage,
                committedEpoch,
                session,
                Id.NONE,
                trackedEpoch,
                trackedFrom,
                concession,
                stance,
                isJoining,
                isEmpty);
    }

    /**
     * The reign with which its way parts from another node's; empty where it is in the last one of
     * both still.
     */
    public Optional<Reign> partingFrom(final Summary other) {
        final Id common = lineage.newestCommon(other.lineage);
        return common.isNone() || common.equals(lineage.newest())
                ? Optional.empty()
                : Optional.of(lineage.successorOf(common));
    }

    /** Whether it has given its own way up for that primary, and is none itself. */
    boolean hasConcededTo(final Summary primary) {
        return standing.isSecondary() && concession.isFor(primary);
    }

    /** Writes it, and zeroes behind it. */
    public byte[] encode() {
        final ByteBuffer bytes = ByteBuffer.allocate(LENGTH);
        RecordFormat.put(bytes, node);
        RecordFormat.put(bytes, group);
        RecordFormat.put(bytes, peer);
        RecordFormat.put(bytes, session);
        RecordFormat.put(bytes, leftSession);
        RecordFormat.put(bytes, concession);
        bytes.putLong(committedEpoch).putLong(trackedEpoch).putLong(trackedFrom);
        bytes.putLong(stance.changed());
        bytes.put(standing.code()).put(flags()).put(stance.policy().code()).put((byte) 0);
        RecordFormat.putLineage(bytes, lineage);
        return bytes.array();
    }

    private byte flags() {
        return (byte)
                ((isEmpty ? EMPTY : 0)
                        | (isJoining ? JOINING : 0)
                        | (stance.hasGuest() ? GUEST : 0));
    }

    /** Reads one; empty where these bytes are none. */
    public static Optional<Summary> decode(final byte[] encoded) {
        if (encoded.length != LENGTH) {
            return Optional.empty();
        }
        final ByteBuffer bytes = ByteBuffer.wrap(encoded);
        try {
            final Id node = RecordFormat.id(bytes);
            final Id group = RecordFormat.id(bytes);
            final Id peer = RecordFormat.id(bytes);
            final Id session = RecordFormat.id(bytes);
            final Id left = RecordFormat.id(bytes);
            final Concession concession = RecordFormat.concession(bytes);
            final long committed = bytes.getLong();
            final long tracked = bytes.getLong();
            final long trackedFrom = bytes.getLong();
            final long changed = bytes.getLong();
            final Standing standing = Standing.of(bytes.get());
            final int flags = bytes.get();
            final AfterSplitBrain policy = AfterSplitBrain.of(bytes.get());
            final boolean isMore = bytes.get() != 0;
            final Lineage lineage = RecordFormat.lineage(bytes);
            if (isMore || (flags & ~(EMPTY | JOINING | GUEST)) != 0) {
                return Optional.empty();
            }
            return Optional.of(
                    new Summary(
                            node,
                            group,
                            peer,
                            standing,
                            lineage,
                            committed,
                            session,
                            left,
                            tracked,
                            trackedFrom,
                            concession,
                            new Stance(policy, changed, (flags & GUEST) != 0),
                            (flags & JOINING) != 0,
                            (flags & EMPTY) != 0));
        } catch (final BufferUnderflowException | IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
