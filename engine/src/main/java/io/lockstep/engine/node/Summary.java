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
        boolean isJoining,
        boolean isEmpty) {
    /** Bytes that one takes on the wire, whatever it says. */
    public static final int LENGTH = 1152;

    private static final int EMPTY = 1;
    private static final int JOINING = 1 << 1;

    /** Checks what belongs together. */
    public Summary {
        final boolean isFresh = standing == Standing.FRESH;
        if (node.isNone()
                || committedEpoch < 0
                || trackedEpoch < -1
                || isJoining && !isFresh
                || isFresh != lineage.isNone()
                || isFresh != group.isNone()) {
            throw new IllegalArgumentException("no summary of a node");
        }
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
                record.isJoining(),
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
                isJoining,
                isEmpty);
    }

    /** Writes it, and zeroes behind it. */
    public byte[] encode() {
        final ByteBuffer bytes = ByteBuffer.allocate(LENGTH);
        RecordFormat.put(bytes, node);
        RecordFormat.put(bytes, group);
        RecordFormat.put(bytes, peer);
        RecordFormat.put(bytes, session);
        RecordFormat.put(bytes, leftSession);
        bytes.putLong(committedEpoch).putLong(trackedEpoch);
        bytes.put(standing.code()).put((byte) ((isEmpty ? EMPTY : 0) | (isJoining ? JOINING : 0)));
        RecordFormat.putLineage(bytes, lineage);
        return bytes.array();
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
            final long committed = bytes.getLong();
            final long tracked = bytes.getLong();
            final Standing standing = Standing.of(bytes.get());
            final int flags = bytes.get();
            final Lineage lineage = RecordFormat.lineage(bytes);
            if ((flags & ~(EMPTY | JOINING)) != 0) {
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
                            (flags & JOINING) != 0,
                            (flags & EMPTY) != 0));
        } catch (final BufferUnderflowException | IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
