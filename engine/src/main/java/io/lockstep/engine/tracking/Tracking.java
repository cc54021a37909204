package io.lockstep.engine.tracking;

import io.lockstep.engine.memory.SparseFile;
import io.lockstep.engine.node.Id;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What a node has changed on its disks and its peer may lack: never less than that while the peer
 * is known ({@link #isKnown}), and at most what was changed before the last two times that the peer
 * has made everything durable. A {@link ChangeMap} for each disk.
 *
 * <p>On its group's loop; in steady state nothing is allocated, and no system call made. In files
 * it is exact after a kill; of another boot of the host it counts as not known.
 */
public final class Tracking implements AutoCloseable {
    /** A file system allocates so much of a map at a time, in bytes: for 448 MiB of disk. */
    private static final int CHUNK_LENGTH = 1 << 15;

    private static final String PAGE = "tracking";
    private static final String MAP = "changes-";

    private final TrackingPage page;
    private final List<ChangeMap> maps;
    private final List<SparseFile> files;

    /** The older layer is of epochs up to this one at most. */
    private long olderEpoch = Long.MAX_VALUE;

    private Tracking(
            final TrackingPage page, final List<ChangeMap> maps, final List<SparseFile> files) {
        this.page = page;
        this.maps = List.copyOf(maps);
        this.files = List.copyOf(files);
    }

    /** One that goes with the process, of disks of these lengths. */
    public static Tracking inMemory(final List<Long> lengths) {
        final TrackingPage page = TrackingPage.inMemory();
        page.begin(describe(lengths), Id.NONE);
        return new Tracking(
                page,
                lengths.stream()
                        .map(
                                length ->
                                        new ChangeMap(
                                                length, new Memory(ChangeMap.lengthFor(length))))
                        .toList(),
                List.of());
    }

    /**
     * Opens one as a killed process left it, made if there is none that counts.
     *
     * @param directory that of the node's state
     * @param lengths of the disks, in bytes
     * @param boot the host's
     * @throws IOException where it can't be had
     */
    public static Tracking open(final Path directory, final List<Long> lengths, final Id boot)
            throws IOException {
        final TrackingPage page = TrackingPage.open(directory.resolve(PAGE));
        final List<SparseFile> files = new ArrayList<>();
        boolean opened = false;
        try {
            final long disks = describe(lengths);
            final boolean isOurs = page.isOf(disks, boot);
            final List<ChangeMap> maps = new ArrayList<>();
            for (int i = 0; i < lengths.size(); i++) {
                final Path path = directory.resolve(MAP + i);
                if (!isOurs) {
                    Files.deleteIfExists(path);
                }
                final SparseFile file =
                        SparseFile.open(path, ChangeMap.lengthFor(lengths.get(i)), CHUNK_LENGTH);
                files.add(file);
                maps.add(new ChangeMap(lengths.get(i), new File(file)));
            }
            if (!isOurs) {
                page.begin(disks, boot);
            }
            opened = true;
            return new Tracking(page, maps, files);
        } finally {
            if (!opened) {
                files.forEach(SparseFile::close);
                page.close();
            }
        }
    }

    /**
     * Somebody who does not track is about to write: what is noted in a state's directory is no
     * longer all.
     *
     * @throws IOException where that can't be said
     */
    public static void invalidate(final Path directory) throws IOException {
        Files.deleteIfExists(directory.resolve(PAGE));
        try (DirectoryStream<Path> maps = Files.newDirectoryStream(directory, MAP + "*")) {
            for (final Path map : maps) {
                Files.delete(map);
            }
        }
    }

    private static long describe(final List<Long> lengths) {
        return lengths.hashCode() & 0xffff_ffffL | (long) lengths.size() << Integer.SIZE;
    }

    /** That of a disk, by its number in the group. */
    public ChangeMap disk(final int number) {
        return maps.get(number);
    }

    /**
     * Notes that a disk is about to be changed there. Where that can't be noted, no peer is known.
     */
    public void mark(final int disk, final long offset, final long length) {
        if (maps.get(disk).mark(offset, length) != 0) {
            page.peer(Id.NONE);
        }
    }

    /**
     * Whether a peer lacks no more than what is noted.
     *
     * @param epoch of which it has all on stable storage: one that has less than it once had is an
     *     old copy of itself; and where it has more than was ever sealed here, this is one
     */
    public boolean isKnown(final Id peer, final long epoch) {
        return isKnown(peer)
                && !page.isWithoutTail()
                && epoch >= page.base()
                && epoch <= page.sealed();
    }

    /** Whether it is known what a peer lacks that is as it said last; but perhaps for its tail. */
    public boolean isKnown(final Id peer) {
        return !peer.isNone() && page.peer().equals(peer);
    }

    /**
     * Whether a peer lacks what is noted here, and has changed what it has noted itself.
     *
     * @param trackedEpoch the last one that it sealed while it noted that; -1 where it has not
     */
    public boolean isKnownWithTail(final Id peer, final long trackedEpoch) {
        return isKnown(peer) && page.isWithoutTail() && trackedEpoch >= page.base();
    }

    /**
     * The same of one that has handed its role over to this node, and has written nothing since.
     *
     * @param epoch of which it has all on stable storage
     */
    public boolean isKnownWithoutTail(final Id peer, final long epoch) {
        return isKnown(peer) && page.isWithoutTail() && epoch == page.base();
    }

    /**
     * A peer lacks no more than what is noted, from now on.
     *
     * @param epoch of which it has all on stable storage
     * @param openEpoch to which belongs what is changed now
     */
    public void know(final Id peer, final long epoch, final long openEpoch) {
        know(peer, epoch, false);
        olderEpoch = openEpoch;
    }

    /**
     * A peer was the primary until this node took over at an epoch. It lacks what is noted, and has
     * written what it has noted itself.
     */
    public void knowWithoutTail(final Id peer, final long epoch) {
        know(peer, epoch, true);
        olderEpoch = Long.MAX_VALUE;
    }

    private void know(final Id peer, final long epoch, final boolean isWithoutTail) {
        page.peer(Id.NONE);
        page.base(epoch);
        page.withoutTail(isWithoutTail);
        page.peer(peer);
    }

    /** What the peer has noted itself is noted here, too. */
    public void onTailNoted() {
        know(page.peer(), page.base(), false);
    }

    /** Nothing is noted, and nobody known to lack no more. */
    public void forget() {
        page.peer(Id.NONE);
        maps.forEach(ChangeMap::clear);
        olderEpoch = Long.MAX_VALUE;
    }

    /** An epoch is sealed: all that was changed in it is noted, or was. */
    public void seal(final long epoch) {
        page.sealed(epoch);
    }

    /**
     * Up to which epoch this node has noted what it wrote as the primary of a peer.
     *
     * @return -1 where it has not
     */
    public long trackedEpoch(final Id peer) {
        return isKnown(peer) && !page.isWithoutTail() ? page.sealed() : -1;
    }

    /**
     * The known peer has made durable what was changed up to the end of an epoch, and will know.
     *
     * @param openEpoch to which belongs what is changed now
     */
    public void onDurable(final long epoch, final long openEpoch) {
        if (epoch >= olderEpoch) {
            page.base(olderEpoch);
            maps.forEach(ChangeMap::exchange);
            olderEpoch = openEpoch;
        }
    }

    /** Bytes that are noted. */
    public long length() {
        return maps.stream().mapToLong(ChangeMap::length).sum();
    }

    /** Lets go of the files, and keeps them. */
    @Override
    public void close() {
        files.forEach(SparseFile::close);
        page.close();
    }

    /** A map in a file. */
    private record File(SparseFile file) implements ChangeMap.Space {
        @Override
        public MemorySegment memory() {
            return file.segment();
        }

        @Override
        public boolean isAllocated(final long offset) {
            return file.isAllocated(offset);
        }

        @Override
        public int allocate(final long offset, final long length) {
            return file.allocate(offset, length);
        }
    }

    /** A map of this process. */
    private record Memory(MemorySegment memory) implements ChangeMap.Space {
        private Memory(final long length) {
            this(Arena.ofAuto().allocate(length, Long.BYTES));
        }

        @Override
        public boolean isAllocated(final long offset) {
            return true;
        }

        @Override
        public int allocate(final long offset, final long length) {
            return 0;
        }
    }
}
