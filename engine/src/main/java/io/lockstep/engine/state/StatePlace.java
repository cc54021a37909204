package io.lockstep.engine.state;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.memory.Storage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/** Where a group's state lies, unless the user says so, and where it must not. Stateless. */
public final class StatePlace {
    private static final Path SYSTEM = Path.of("/var/lib/lockstep");
    private static final String SUFFIX = ".lockstep";

    private StatePlace() {}

    /**
     * The directory for a group whose first disk this is: beside the file, whatever links lead
     * there, or under the system's for a device.
     *
     * @throws IOException with a sentence, where the user has to say it
     */
    public static Path of(final DiskFile first) throws IOException {
        if (!first.isBlockDevice()) {
            try {
                final Path file = first.path().toRealPath();
                return file.resolveSibling(file.getFileName() + SUFFIX);
            } catch (final NoSuchFileException e) {
                throw new IOException(
                        "disk "
                                + first.name()
                                + ": its file has no name, beside which its state could be; say"
                                + " where with --state DIR",
                        e);
            }
        }
        return ofDevice(first.name(), Posix.geteuid() == 0);
    }

    static Path ofDevice(final String name, final boolean isRoot) throws IOException {
        if (!isRoot) {
            throw new IOException(
                    "disk "
                            + name
                            + " is a device, whose state only root can keep in "
                            + SYSTEM
                            + "; say where with --state DIR");
        }
        if (name.contains("/") || name.equals(".") || name.equals("..")) {
            throw new IOException(
                    "disk " + name + ": no directory can be named so; name one with --state DIR");
        }
        return SYSTEM.resolve(name);
    }

    /**
     * Refuses a directory in memory, which a reboot takes away, where the disks outlive it.
     *
     * @param directory need not be there yet
     * @param disks the group's
     * @param mayVanish whether the user says that it may
     * @throws IOException with a sentence
     */
    public static void requireLasting(
            final Path directory, final List<DiskFile> disks, final boolean mayVanish)
            throws IOException {
        if (!mayVanish
                && Storage.isMemory(existing(directory))
                && !disks.stream().allMatch(DiskFile::isMemoryBacked)) {
            throw new IOException(
                    "the state in "
                            + directory
                            + " would lie in memory, and be lost at a reboot which the disks"
                            + " outlive; name a directory on a disk with --state DIR, or say"
                            + " --state-may-vanish");
        }
    }

    /** A directory, or the nearest one above it that is there. */
    static Path existing(final Path directory) {
        Path there = directory.toAbsolutePath().normalize();
        while (!Files.exists(there)) {
            there = there.getParent();
        }
        return there;
    }
}
