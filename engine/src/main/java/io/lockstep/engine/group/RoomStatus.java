package io.lockstep.engine.group;

/**
 * The room that a secondary has for pre-images, and whether it will do for the synchronisation that
 * is under way: an immutable value. Lengths are in bytes.
 *
 * @param left what could be saved when that was looked at last: at the start, and when the primary
 *     attached
 * @param expected what the primary said then that it would send, at most, beside what its guest
 *     changes meanwhile; 0 where no checkpoint has to be kept
 * @param missing how much of that would have no room: what one disk's buffers have too much helps
 *     no other disk
 */
public record RoomStatus(long left, long expected, long missing) {
    /** Of one that no checkpoint is kept in, or may have to be. */
    public static RoomStatus of(final long left) {
        return new RoomStatus(left, 0, 0);
    }

    /** Whether the checkpoint may have to be given up. */
    public boolean isShort() {
        return missing > 0;
    }

    /** That it may, and what helps; for people. */
    public String warning() {
        return "the primary makes this node equal, and there may not be room to keep the checkpoint"
                + " meanwhile: up to "
                + expected
                + " bytes are to come, and there is room for pre-images of "
                + left
                + ", which is "
                + missing
                + " too little; a larger --buffer-limit, or a directory on a disk with --spill,"
                + " keeps it";
    }
}
