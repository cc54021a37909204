package io.lockstep.engine.group;

import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * The records of the private extension, as they lie in the control space of an export: an address
 * space of its own, beside the disk's, that a client reaches once it has selected the metadata
 * context {@link Nbd#CONTEXT_CONTROL}. A write of {@link #LENGTH} bytes at offset 0 with the
 * command flag {@link Nbd#CMD_FLAG_CONTROL} is a command; a read of them there tells the group's
 * state. Behind it lies what a node says of itself, a {@link Summary}: the primary's goes with
 * ATTACH, the secondary's is read. Numbers are in network byte order. Stateless. See
 * docs/protocol.md.
 *
 * <pre>
 *  0  4  magic "LSTP"
 *  4  2  version, 6
 *  6  2  kind: ATTACH, SEAL, COMMIT, LEAVE, ALONE, PULSE, HAND_OVER, DURABLE; STATE in what is
 *       read
 *  8  8  epoch: to seal, to commit, to make durable; in what is read: the disk's last sealed one
 * 16  8  in what is read: the last committed epoch
 * 24 16  session: the primary's random name; in what is read: that of the attached one, or 0
 * 40  4  flags: AT_FIRST, NOW, SHARED, GOES_ON, AND_COMMIT, CAUGHT_UP; in what is
 *       read: STARTED, FAILED_OVER, BROKEN, TAKES_ROLE, WANTS_ROLE, PRIMARY, HOLE_BEHIND, SHARED
 * 44  4  zero
 * 48  8  ATTACH: the disk's length; in what is read: the last epoch that is on stable storage
 * 56  8  ATTACH: bytes that a synchronisation has to bring to the disk, at most, or 0; in what is
 *       read with a summary: how long the disk could be, as its file is
 * </pre>
 */
public final class ControlRecord {
    /** Of a record, in bytes. */
    public static final int LENGTH = 64;

    /** Of a record and a {@link Summary} behind it, which is all of the control space. */
    public static final int LENGTH_WITH_SUMMARY = LENGTH + Summary.LENGTH;

    /** The version of this layout. */
    public static final int VERSION = 6;

    /** A primary presents itself, with its summary; the first command of its connections. */
    public static final int ATTACH = 1;

    /** Ends the disk's open epoch, which must be the given one; one that is ended is well too. */
    public static final int SEAL = 2;

    /** Commits an epoch that is sealed on every disk. */
    public static final int COMMIT = 3;

    /** What is read. */
    public static final int STATE = 4;

    /** The primary ends its session in good order: all that it sent was answered. */
    public static final int LEAVE = 5;

    /**
     * The primary goes on without this secondary: on its connection, or with its summary on one
     * that is not attached.
     */
    public static final int ALONE = 6;

    /** The primary is there; on a connection of any of its exports, attached or not. */
    public static final int PULSE = 7;

    /**
     * The secondary is to take over at an epoch, which must be its last, and all that it has. With
     * epoch 0 the primary declines to be asked for that.
     */
    public static final int HAND_OVER = 8;

    /** Answered when an epoch is committed, and all of it on stable storage. */
    public static final int DURABLE = 9;

    /** Of ATTACH: the user's word is {@link Word#AT_FIRST}. */
    public static final int AT_FIRST = 1;

    /** Of ATTACH: the user's word is {@link Word#NOW}. */
    public static final int NOW = 1 << 1;

    /** Of STATE: replication is started. */
    public static final int STARTED = 1 << 2;

    /** Of STATE: the secondary has failed over. */
    public static final int FAILED_OVER = 1 << 3;

    /** Of STATE: the secondary takes no more writes because of an error. */
    public static final int BROKEN = 1 << 4;

    /** Of SEAL: the group's last disk to seal the epoch commits it. */
    public static final int AND_COMMIT = 1 << 5;

    /**
     * Of SEAL, with AND_COMMIT: with the epoch the secondary is equal to the primary, which has
     * synchronised it.
     */
    public static final int CAUGHT_UP = 1 << 6;

    /** Of STATE: the secondary would take its primary's role over, and replicate back to it. */
    public static final int TAKES_ROLE = 1 << 7;

    /** Of STATE: its user wants it to. */
    public static final int WANTS_ROLE = 1 << 8;

    /** Of STATE: who answers is a primary's process, to which nobody attaches. */
    public static final int PRIMARY = 1 << 9;

    /** Of STATE: behind the end of the disk its file has nothing but a hole, if it has anything. */
    public static final int HOLE_BEHIND = 1 << 10;

    /** Of ATTACH and STATE: the disks are shared, both nodes see the same ones. */
    public static final int SHARED = 1 << 11;

    /**
     * Of ATTACH, with SHARED: where the link is lost the primary may overwrite what it has not
     * announced, and nobody here hears of it.
     */
    public static final int GOES_ON = 1 << 12;

    private static final int MAGIC = 0x4c535450;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private ControlRecord() {}

    /** Writes a record. */
    public static void write(
            final MemorySegment memory,
            final long position,
            final int kind,
            final long epoch,
            final long committedEpoch,
            final Id session,
            final int flags) {
        memory.set(INT, position, MAGIC);
        memory.set(SHORT, position + 4, (short) VERSION);
        memory.set(SHORT, position + 6, (short) kind);
        memory.set(LONG, position + 8, epoch);
        memory.set(LONG, position + 16, committedEpoch);
        memory.set(LONG, position + 24, session.high());
        memory.set(LONG, position + 32, session.low());
        memory.set(INT, position + 40, flags);
        memory.asSlice(position + 44, LENGTH - 44).fill((byte) 0);
    }

    /** In what is read: the last committed epoch of which all is on stable storage. */
    public static long durableEpoch(final MemorySegment memory, final long position) {
        return memory.get(LONG, position + 48);
    }

    /** Says so. */
    public static void durableEpoch(
            final MemorySegment memory, final long position, final long epoch) {
        memory.set(LONG, position + 48, epoch);
    }

    /**
     * Of ATTACH: how many bytes of the disk are to be sent or compared to make it equal; 0 where
     * none are, or nothing is known of it.
     */
    public static long toCome(final MemorySegment memory, final long position) {
        return Math.max(0, memory.get(LONG, position + 56));
    }

    /** Says so. */
    public static void toCome(final MemorySegment memory, final long position, final long length) {
        memory.set(LONG, position + 56, length);
    }

    /** Of ATTACH: the length of the primary's disk, in bytes; 0 where that is not said. */
    public static long diskLength(final MemorySegment memory, final long position) {
        return Math.max(0, memory.get(LONG, position + 48));
    }

    /** Says so. */
    public static void diskLength(
            final MemorySegment memory, final long position, final long length) {
        memory.set(LONG, position + 48, length);
    }

    /** In what is read: how long the disk could be, as its file is now; 0 where it isn't said. */
    public static long lengthThere(final MemorySegment memory, final long position) {
        return Math.max(0, memory.get(LONG, position + 56));
    }

    /** Says so. */
    public static void lengthThere(
            final MemorySegment memory, final long position, final long length) {
        memory.set(LONG, position + 56, length);
    }

    /** Adds a flag to those of a record. */
    public static void addFlag(final MemorySegment memory, final long position, final int flag) {
        memory.set(INT, position + 40, flags(memory, position) | flag);
    }

    /** A word as flags of ATTACH. */
    public static int flagsOf(final Word word) {
        return switch (word) {
            case NONE -> 0;
            case AT_FIRST -> AT_FIRST;
            case NOW -> NOW;
        };
    }

    /** The user's word that goes with ATTACH. */
    public static Word word(final int flags) {
        if ((flags & NOW) != 0) {
            return Word.NOW;
        }
        return (flags & AT_FIRST) != 0 ? Word.AT_FIRST : Word.NONE;
    }

    /** The summary behind a record; empty where there is none. */
    public static Optional<Summary> summary(final MemorySegment memory, final long position) {
        return Summary.decode(
                memory.asSlice(position + LENGTH, Summary.LENGTH).toArray(ValueLayout.JAVA_BYTE));
    }

    /** Writes a summary behind a record. */
    public static void summary(
            final MemorySegment memory, final long position, final Summary summary) {
        memory.asSlice(position + LENGTH, Summary.LENGTH)
                .copyFrom(MemorySegment.ofArray(summary.encode()));
    }

    /** Whether a record of this version lies there. */
    public static boolean isValid(final MemorySegment memory, final long position) {
        return memory.get(INT, position) == MAGIC && memory.get(SHORT, position + 4) == VERSION;
    }

    /** What the record says or asks. */
    public static int kind(final MemorySegment memory, final long position) {
        return Short.toUnsignedInt(memory.get(SHORT, position + 6));
    }

    /** The epoch to seal or commit; in what is read the disk's last sealed one. */
    public static long epoch(final MemorySegment memory, final long position) {
        return memory.get(LONG, position + 8);
    }

    /** In what is read: the last committed epoch. */
    public static long committedEpoch(final MemorySegment memory, final long position) {
        return memory.get(LONG, position + 16);
    }

    /** The session. */
    public static Id session(final MemorySegment memory, final long position) {
        return new Id(memory.get(LONG, position + 24), memory.get(LONG, position + 32));
    }

    /** The flags. */
    public static int flags(final MemorySegment memory, final long position) {
        return memory.get(INT, position + 40);
    }
}
