package io.lockstep.engine.state;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordFormat;
import io.lockstep.engine.node.RecordFormat.Copy;
import io.lockstep.engine.node.RecordStore;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A node's record in a directory of its own: two copies, {@code state-0} and {@code state-1},
 * written in turn, of which the one with the higher number counts. Killed, or without power, at any
 * instant, it holds the record before or the one that was being written. Of two processes one can
 * have it open.
 *
 * <p>Blocking, one thread's at a time; as a {@link RecordStore} it answers before it returns.
 * {@link LoopStateStore} is the one for loops.
 */
public final class StateFile implements RecordStore, AutoCloseable {
    private static final String LOCK = "lock";
    private static final int NO_LOCK = -1;

    /** A reader without the lock may find both copies under way; hardly this often. */
    private static final int READS_MAX = 5;

    private final Path directory;
    private final CopyStorage copies;
    private final int lockFd;

    /** What this opening has made, the innermost first; none where the directory was there. */
    private final List<Path> made;

    /** Of the newest record; 0 where there is none. */
    private long sequence;

    /** The copy that is written next: not the newest. */
    private int next;

    private StateFile(
            final Path directory,
            final CopyStorage copies,
            final int lockFd,
            final List<Path> made) {
        this.directory = directory;
        this.copies = copies;
        this.lockFd = lockFd;
        this.made = made;
    }

    /** One over another storage than files, which nobody else has and no lock is needed for. */
    public static StateFile over(final CopyStorage copies) {
        return new StateFile(copies.path(0).getParent(), copies, NO_LOCK, List.of());
    }

    /**
     * Opens a directory, made if there is none, and locks it.
     *
     * @throws IOException with a sentence, where another process has it open, or it can't be had
     */
    public static StateFile open(final Path directory) throws IOException {
        final List<Path> made = missing(directory.toAbsolutePath().normalize());
        boolean opened = false;
        try {
            final StateFile file = open(directory, made);
            opened = true;
            return file;
        } finally {
            if (!opened) {
                removeEmpty(made);
            }
        }
    }

    private static StateFile open(final Path directory, final List<Path> made) throws IOException {
        PrivateFiles.requireDirectory(directory.toAbsolutePath().normalize());
        for (final Path one : made) {
            // A directory whose name a loss of power takes away would take the records with it.
            StateCopies.sync(one.getParent());
        }
        final int fd = PrivateFiles.open(directory.resolve(LOCK));
        final int result = Posix.lockRange(fd, Posix.F_WRLCK, 0, 1);
        if (result < 0) {
            Posix.close(fd);
            throw new IOException(
                    result == -Errno.EAGAIN || result == -Errno.EACCES
                            ? "the state in "
                                    + directory
                                    + " is in use by another lockstep; stop that one first, or give"
                                    + " each node a --state DIR of its own"
                            : "cannot lock " + directory + ": " + Errno.meaning(-result));
        }
        return new StateFile(directory, new StateCopies(directory), fd, made);
    }

    /** Of a directory and those above it: which are not there yet, the innermost first. */
    private static List<Path> missing(final Path directory) {
        final Path before = StatePlace.existing(directory);
        final List<Path> missing = new ArrayList<>();
        for (Path one = directory; !one.equals(before); one = one.getParent()) {
            missing.add(one);
        }
        return missing;
    }

    /** As far as nobody has put something there; what remains does no harm. */
    private static void removeEmpty(final List<Path> directories) {
        try {
            for (final Path directory : directories) {
                Files.deleteIfExists(directory);
            }
        } catch (final IOException e) {
            return; // somebody else's, from here on
        }
    }

    /** Whether some process has a directory's state open. */
    public static boolean isInUse(final Path directory) throws IOException {
        final Path path = directory.resolve(LOCK);
        final int fd = Posix.open(path.toString(), Posix.O_RDONLY | Posix.O_CLOEXEC);
        if (fd == -Errno.ENOENT) {
            return false;
        }
        if (fd < 0) {
            throw new IOException("cannot open " + path + ": " + Errno.meaning(-fd));
        }
        try {
            return Posix.testLock(fd, Posix.F_WRLCK, 0, 1) == 1;
        } finally {
            Posix.close(fd);
        }
    }

    /**
     * Reads a directory's record, which another process may be writing, and changes nothing.
     *
     * @return empty where there is none
     * @throws IOException as {@link #load}
     */
    public static Optional<NodeRecord> read(final Path directory) throws IOException {
        final StateCopies copies = new StateCopies(directory);
        for (int reads = 1; reads < READS_MAX; reads++) {
            try {
                return newest(copies).map(found -> found.copy.record());
            } catch (final UnreadableException e) {
                // Looked at again: it may have been written just now.
            }
        }
        return newest(copies).map(found -> found.copy.record());
    }

    /**
     * The record that counts; it is on stable storage then.
     *
     * @return empty where there is none: the node was never in a pair
     * @throws IOException with a sentence, where there are copies and none can be relied on
     */
    public Optional<NodeRecord> load() throws IOException {
        final Optional<Found> found = newest(copies);
        if (found.isPresent()) {
            copies.settle(found.get().index);
            sequence = found.get().copy.sequence();
            next = (found.get().index + 1) % StateCopies.COUNT;
        }
        return found.map(newest -> newest.copy.record());
    }

    /** A copy, and which. */
    private record Found(int index, Copy copy) {}

    /** There are copies, and none can be relied on. */
    private static final class UnreadableException extends IOException {
        private static final long serialVersionUID = 1L;

        UnreadableException(final String sentence) {
            super(sentence);
        }
    }

    private static Optional<Found> newest(final CopyStorage copies) throws IOException {
        Optional<Found> newest = Optional.empty();
        boolean isEmpty = true;
        for (int index = 0; index < StateCopies.COUNT; index++) {
            final Optional<byte[]> bytes = copies.read(index);
            if (bytes.isPresent()) {
                isEmpty = false;
                requireKnownVersion(copies.path(index), bytes.get());
                final Optional<Copy> copy = RecordFormat.decode(bytes.get());
                if (copy.isPresent()
                        && (newest.isEmpty()
                                || copy.get().sequence() > newest.get().copy.sequence())) {
                    newest = Optional.of(new Found(index, copy.get()));
                }
            }
        }
        if (newest.isEmpty() && !isEmpty) {
            throw new UnreadableException(
                    copies.path(0)
                            + " and "
                            + copies.path(1)
                            + ": one of them must hold the state of a node, and none does. Restore"
                            + " them, or take the disks out of their pair with 'lockstep state"
                            + " --forget --state "
                            + copies.path(0).getParent()
                            + "'");
        }
        return newest;
    }

    /** The other copy would be an older one, and yet whole. */
    private static void requireKnownVersion(final Path path, final byte[] bytes)
            throws IOException {
        final int version = RecordFormat.version(bytes);
        if (version != 0 && version != RecordFormat.VERSION) {
            throw new UnreadableException(
                    path
                            + " holds a state of version "
                            + version
                            + ", and this lockstep reads version "
                            + RecordFormat.VERSION
                            + ". Start the lockstep that wrote it, or take the disks out of their"
                            + " pair with 'lockstep state --forget --state "
                            + path.getParent()
                            + "'");
        }
    }

    /**
     * Stores a record in place of the one that was loaded or stored before.
     *
     * @throws IOException where it is not on stable storage; then the one before counts
     */
    public void write(final NodeRecord record) throws IOException {
        copies.write(next, RecordFormat.encode(new Copy(sequence + 1, record)));
        sequence++;
        next = (next + 1) % StateCopies.COUNT;
    }

    /**
     * Stores a record whatever the copies hold: also where they can't be read.
     *
     * @throws IOException where it is not on stable storage
     */
    public void replace(final NodeRecord record) throws IOException {
        write(record);
        copies.clear(next);
    }

    @Override
    public void store(final NodeRecord record, final Stored whenStored) {
        whenStored.onStored(tryWrite(record));
    }

    /** Stores one. Answers what failed; empty where nothing did. */
    public Optional<String> tryWrite(final NodeRecord record) {
        try {
            write(record);
            return Optional.empty();
        } catch (final IOException e) {
            return Optional.of(e.getMessage());
        }
    }

    /** The number of the newest record, which was loaded or stored; 0 where there is none. */
    public long number() {
        return sequence;
    }

    /** Where it lies. */
    public Path directory() {
        return directory;
    }

    /** Whether there was no such directory before this opening, and so nothing of worth in it. */
    public boolean isNew() {
        return !made.isEmpty();
    }

    /**
     * Gives the lock back, and leaves nothing behind of what this opening has made, whatever was
     * stored since; a directory that was there before stays as it is.
     */
    public void discard() {
        if (isNew()) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
                for (final Path file : files) {
                    Files.deleteIfExists(file);
                }
            } catch (final IOException | DirectoryIteratorException e) {
                // What remains is a record of a node that was never in a pair.
            }
            removeEmpty(made);
        }
        close();
    }

    /** Gives the lock back. */
    @Override
    public void close() {
        if (lockFd != NO_LOCK) {
            Posix.close(lockFd);
        }
    }
}
