package io.lockstep.engine.disk;

/**
 * How a disk's file is used: an immutable value.
 *
 * @param isReadOnly whether all changes are refused
 * @param isDirect whether reads and writes go past the page cache ({@code O_DIRECT})
 * @param sharing with whom
 */
public record DiskAccess(boolean isReadOnly, boolean isDirect, Sharing sharing) {
    /** Who else may have the file open. */
    public enum Sharing {
        /** Nobody who writes it, or bears no writer. */
        NONE,

        /** The other node of a pair, which reads it: this one writes. */
        WRITER,

        /** The other node of a pair, which writes it: this one reads, until it takes over. */
        READER
    }

    /** Through the page cache, and by nobody else. */
    public static final DiskAccess PLAIN = new DiskAccess(false, false, Sharing.NONE);

    /** The same for reading alone, where that is asked for. */
    public DiskAccess readOnly(final boolean nowReadOnly) {
        return new DiskAccess(nowReadOnly, isDirect, sharing);
    }

    /** The same past the page cache. */
    public DiskAccess direct() {
        return new DiskAccess(isReadOnly, true, sharing);
    }

    /** The same with the other node of a pair. */
    public DiskAccess shared(final Sharing with) {
        return new DiskAccess(isReadOnly, isDirect, with);
    }

    /** Whether the file is opened for reading alone, for now. */
    boolean opensToRead() {
        return isReadOnly || sharing == Sharing.READER;
    }
}
