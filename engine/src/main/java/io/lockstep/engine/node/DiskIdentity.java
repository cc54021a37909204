package io.lockstep.engine.node;

import java.nio.charset.StandardCharsets;

/**
 * What tells a disk of the group from another one. Immutable.
 *
 * @param name the disk's name, at most {@link #NAME_LENGTH_MAX} bytes in UTF-8
 * @param length in bytes
 * @param backing what tells its file or device from another of that name, in words, such as inode
 *     and time of birth; empty where nothing does. At most {@link #BACKING_LENGTH_MAX} bytes
 */
public record DiskIdentity(String name, long length, String backing) {
    /** Of a disk's name, in bytes: that of an export. */
    public static final int NAME_LENGTH_MAX = 4096;

    /** Of what tells the backing, in bytes. */
    public static final int BACKING_LENGTH_MAX = 256;

    /** Checks the bounds. */
    public DiskIdentity {
        requireShort(name, NAME_LENGTH_MAX);
        requireShort(backing, BACKING_LENGTH_MAX);
        if (name.isEmpty() || length < 0) {
            throw new IllegalArgumentException("no disk: '" + name + "' of " + length);
        }
    }

    private static void requireShort(final String text, final int lengthMax) {
        if (text.getBytes(StandardCharsets.UTF_8).length > lengthMax) {
            throw new IllegalArgumentException("longer than " + lengthMax + " bytes: " + text);
        }
    }
}
