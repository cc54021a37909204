package io.lockstep.engine.node;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

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

    /**
     * What is wrong where other disks are found in the place of these; empty where they are these.
     *
     * <p>A length, and what tells the backing, must be equal; what only one of them tells, as a
     * time of birth, can't be compared. A file that was copied back into its place is the same one.
     *
     * @param expected the group's, as its state says
     * @param found the disks that are given to it now
     */
    public static Optional<String> difference(
            final List<DiskIdentity> expected, final List<DiskIdentity> found) {
        if (!names(expected).equals(names(found))) {
            return Optional.of(
                    "the state is that of a group of the disks "
                            + String.join(", ", names(expected))
                            + ", and there are "
                            + String.join(", ", names(found))
                            + "; "
                            + WAY_OUT);
        }
        for (final DiskIdentity disk : expected) {
            for (final DiskIdentity other : found) {
                if (disk.name.equals(other.name) && !disk.isLike(other)) {
                    return Optional.of(
                            "disk " + disk.name + ": the state is that of " + disk.against(other));
                }
            }
        }
        return Optional.empty();
    }

    /** What it is, what there is in its place, and what to do. */
    private String against(final DiskIdentity other) {
        if (other.length < length && hasBackingOf(other)) {
            return length
                    + " bytes, and its file has "
                    + other.length
                    + ": it was cut short, and what was behind that is gone. Put what it had back"
                    + " into the file; or, where the peer has it, make the file as long again"
                    + " (truncate -s "
                    + length
                    + "), say 'lockstep join --state' with this directory, and start the node"
                    + " again: it gets what it lacks as the peer's secondary";
        }
        return described() + ", and there is " + other.described() + "; " + WAY_OUT;
    }

    /** The same one, or longer if that is its name. */
    DiskIdentity lengthened(final String itsName, final long newLength) {
        return name.equals(itsName) && newLength > length
                ? new DiskIdentity(name, newLength, backing)
                : this;
    }

    private static final String WAY_OUT =
            "give it the disks that it was made for, another --state DIR, or take them out of their"
                    + " pair with 'lockstep state --forget'";

    private static Set<String> names(final List<DiskIdentity> disks) {
        return disks.stream()
                .map(DiskIdentity::name)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private boolean isLike(final DiskIdentity other) {
        return length == other.length && hasBackingOf(other);
    }

    private boolean hasBackingOf(final DiskIdentity other) {
        return backing.equals(other.backing)
                || isPart(backing, other.backing)
                || isPart(other.backing, backing);
    }

    /** Whether less is told than elsewhere, and nothing else: another kernel may tell more. */
    private static boolean isPart(final String less, final String more) {
        return less.isEmpty() || more.startsWith(less + ", ");
    }

    private String described() {
        return length + " bytes" + (backing.isEmpty() ? "" : " (" + backing + ")");
    }

    private static void requireShort(final String text, final int lengthMax) {
        if (text.getBytes(StandardCharsets.UTF_8).length > lengthMax) {
            throw new IllegalArgumentException("longer than " + lengthMax + " bytes: " + text);
        }
    }
}
