package io.lockstep.engine.disk;

import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;

/**
 * The seam between state machines and storage: one block device, as one loop sees it. Operations
 * are submitted and complete later, in any order; {@link #poll} delivers the completions that are
 * there. Behind it stand {@link FileDisk}, the simulator's disk, and the disks that replication
 * lays over one another.
 *
 * <p>All methods are called from the loop that owns the disk. A range must lie within the disk:
 * that is checked where requests come in, and asserted here. How many operations are in flight is
 * for the callers to bound; a disk takes them all. Memory that an operation names belongs to the
 * disk until it completes.
 */
public interface Disk {
    /** Hears of the end of an operation. */
    interface Completion {
        /**
         * An operation has ended.
         *
         * @param token as submitted
         * @param errno 0, or the number of the error ({@code errno(3)}, named by {@link
         *     io.lockstep.engine.memory.Errno})
         */
        void onComplete(long token, int errno);
    }

    /** Of {@link #zero}: the range must stay allocated. */
    int ZERO_NO_HOLE = 1;

    /**
     * Of {@link #zero}: fail with EOPNOTSUPP, and change nothing, unless it beats writing zeroes.
     */
    int ZERO_FAST = 1 << 1;

    /** The usual {@link #windowLengthMin}. */
    int WINDOW_LENGTH_MIN = 32 << 10;

    /** The name by which people know the disk. */
    String name();

    /** The length in bytes; any number, not only whole blocks. */
    long length();

    /**
     * The length that it could have, in bytes, since what lies below has become longer; or less
     * than {@link #length}, where that has become shorter. Looked at now.
     */
    default long lengthThere() {
        return length();
    }

    /** What its length, and that of what lies below, must be a multiple of, in bytes. */
    default int lengthUnit() {
        return 1;
    }

    /** Whether between {@link #length} and {@link #lengthThere} there is nothing but a hole. */
    default boolean isHoleBehind() {
        return false;
    }

    /**
     * It is longer from now on. What is behind its old end nobody has looked at.
     *
     * @param newLength in bytes, {@link #lengthThere} at most
     */
    default void lengthen(final long newLength) {
        throw new IllegalStateException("this disk has one length for good");
    }

    /** Whether everything that changes it is refused. */
    boolean isReadOnly();

    /** Whether it is a medium that seeks. */
    boolean isRotational();

    /** Reads {@code length} bytes at {@code offset} into memory. */
    void read(
            long offset,
            int length,
            MemorySegment memory,
            long position,
            Completion completion,
            long token);

    /** Writes {@code length} bytes of memory at {@code offset}. */
    void write(
            long offset,
            int length,
            MemorySegment memory,
            long position,
            Completion completion,
            long token);

    /**
     * Makes a range read as zeroes.
     *
     * @param flags of {@code ZERO_*}
     */
    void zero(long offset, long length, int flags, Completion completion, long token);

    /** Says that a range's content is no longer needed. What it then holds is not defined. */
    void discard(long offset, long length, Completion completion, long token);

    /** Puts on stable storage all that completed before this call. */
    void flush(Completion completion, long token);

    /** Says that a range will be read soon. Its failure means nothing. */
    void prefetch(long offset, long length, Completion completion, long token);

    /**
     * Finds what is allocated, from {@code offset} on.
     *
     * @param into cleared, then filled with consecutive extents that cover the range, or its front
     *     where the list is full; untouched by others until completion
     */
    void extents(long offset, long length, ExtentList into, Completion completion, long token);

    /**
     * Memory in which the disk's own bytes of a range lie, for those who would otherwise copy them:
     * what is sent from there is read. Only for system calls, see {@link IoBuffer#map}.
     *
     * @return the memory, in which the range begins at {@link #windowPosition}; null where the disk
     *     has none for the whole of this range now
     */
    default IoBuffer window(final long offset, final int length) {
        return null;
    }

    /** Where an offset of the disk lies in its windows for reads. */
    default int windowPosition(final long offset) {
        return 0;
    }

    /** Bytes from which on windows are worth their trouble: what is shorter goes in a batch. */
    default int windowLengthMin() {
        return WINDOW_LENGTH_MIN;
    }

    /** Whether {@link #openWriteWindow} is likely to lend memory for the payload of a write. */
    default boolean hasWriteWindow(final long offset, final int length) {
        return false;
    }

    /**
     * Begins a write whose payload is still to come, and lends memory to receive it in. Its end is
     * {@link #write(WriteWindow, Completion, long)} or {@link #dropWriteWindow}, unless the disk
     * revokes the window before.
     *
     * @param length of {@link #windowLengthMin} or more
     * @return whether it lent any; otherwise nothing has begun
     */
    default boolean openWriteWindow(final long offset, final int length, final WriteWindow window) {
        return false;
    }

    /** Writes the payload that has come whole into a window that was not revoked. */
    default void write(final WriteWindow window, final Completion completion, final long token) {
        throw new IllegalStateException("this disk lends no memory");
    }

    /**
     * The payload will not come whole into a window that was not revoked. What did come of it may
     * be on the disk.
     */
    default void dropWriteWindow(final WriteWindow window) {}

    /**
     * Delivers completions.
     *
     * @return how many
     */
    int poll();
}
