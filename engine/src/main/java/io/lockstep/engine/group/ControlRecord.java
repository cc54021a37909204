package io.lockstep.engine.group;

import io.lockstep.nbd.Nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The records of the private extension, as they lie in the control space of an export: an address
 * space of its own, beside the disk's, that a client reaches once it has selected the metadata
 * context {@link Nbd#CONTEXT_CONTROL}. A write of {@link #LENGTH} bytes at offset 0 with the
 * command flag {@link Nbd#CMD_FLAG_CONTROL} is a command; a read of them there tells the group's
 * state. Numbers are in network byte order. Stateless. See docs/protocol.md.
 *
 * <pre>
 *  0  4  magic "LSTP"
 *  4  2  version, 1
 *  6  2  kind: ATTACH, SEAL, COMMIT; STATE in what is read
 *  8  8  epoch: to seal, to commit; in what is read: the disk's last sealed one
 * 16  8  in what is read: the last committed epoch
 * 24 16  session: the primary's random name; in what is read: that of the attached one, or 0
 * 40  4  flags: ASSUME_IDENTICAL, EMPTY, AND_COMMIT; in what is read: STARTED, FAILED_OVER, BROKEN
 * 44 20  zero
 * </pre>
 */
public final class ControlRecord {
    /** Of a record, and of the whole control space, in bytes. */
    public static final int LENGTH = Nbd.CONTROL_LENGTH;

    /** The version of this layout. */
    public static final int VERSION = 1;

    /** A primary presents itself; must be the first command of its connections. */
    public static final int ATTACH = 1;

    /** Ends the disk's open epoch, which must be the given one; one that is ended is well too. */
    public static final int SEAL = 2;

    /** Commits an epoch that is sealed on every disk. */
    public static final int COMMIT = 3;

    /** What is read. */
    public static final int STATE = 4;

    /** Of ATTACH: the user says that the disks are equal. */
    public static final int ASSUME_IDENTICAL = 1;

    /** Of ATTACH: the primary's disk has no data at all. */
    public static final int EMPTY = 1 << 1;

    /** Of STATE: replication is started. */
    public static final int STARTED = 1 << 2;

    /** Of STATE: the secondary has failed over. */
    public static final int FAILED_OVER = 1 << 3;

    /** Of STATE: the secondary takes no more writes because of an error. */
    public static final int BROKEN = 1 << 4;

    /** Of SEAL: the group's last disk to seal the epoch commits it. */
    public static final int AND_COMMIT = 1 << 5;

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
            final long sessionHigh,
            final long sessionLow,
            final int flags) {
        memory.set(INT, position, MAGIC);
        memory.set(SHORT, position + 4, (short) VERSION);
        memory.set(SHORT, position + 6, (short) kind);
        memory.set(LONG, position + 8, epoch);
        memory.set(LONG, position + 16, committedEpoch);
        memory.set(LONG, position + 24, sessionHigh);
        memory.set(LONG, position + 32, sessionLow);
        memory.set(INT, position + 40, flags);
        memory.asSlice(position + 44, LENGTH - 44).fill((byte) 0);
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

    /** The first half of the session's name. */
    public static long sessionHigh(final MemorySegment memory, final long position) {
        return memory.get(LONG, position + 24);
    }

    /** The second half of the session's name. */
    public static long sessionLow(final MemorySegment memory, final long position) {
        return memory.get(LONG, position + 32);
    }

    /** The flags. */
    public static int flags(final MemorySegment memory, final long position) {
        return memory.get(INT, position + 40);
    }
}
