package io.lockstep.engine.group;

/**
 * Why replication no longer holds: an immutable value.
 *
 * @param kind what failed
 * @param disk the disk's name; empty where it is none of one disk
 * @param offset first byte that it was about; -1 where there is none
 * @param errno the error's name, such as {@code ENOSPC}; empty where there is none
 * @param sentence what happened, and what to do
 */
public record ReplicationError(Kind kind, String disk, long offset, String errno, String sentence) {
    /** What failed, in the order of docs/failures.md. */
    public enum Kind {
        /** Failure 2: the stream to the secondary. */
        FORWARD,
        /** Failure 3: saving a pre-image. */
        PRE_IMAGE,
        /** Failure 4: the secondary disk. */
        SECONDARY_DISK,
        /** Failure 6: a commit. */
        COMMIT
    }
}
