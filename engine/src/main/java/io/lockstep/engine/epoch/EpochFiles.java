package io.lockstep.engine.epoch;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.memory.SparseFile;
import io.lockstep.engine.memory.Storage;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/**
 * The three files of an {@link EpochBuffer}, found as a process left them or made. What is there is
 * looked at before anything is changed: files that don't fit the disk or each other are refused as
 * they are, and none is ever made shorter (I13).
 *
 * <p>The extents' header is written before the other two files are made, and says that nothing is
 * kept before they are removed: a kill in between leaves what can be opened.
 */
final class EpochFiles {
    static final long HEADER_LENGTH = 4096;
    static final long EXTENT_LENGTH = 16;
    static final long AT_ERA = 16;

    /** Tag and count of extents, and of slots: a count with another epoch's tag is zero. */
    static final long AT_EXTENTS = 64;

    static final long AT_SLOTS = 128;

    private static final long MAGIC = 0x4c4f_434b_4550_4f31L; // "LOCKEPO1"
    private static final long AT_DISK_LENGTH = 8;
    private static final long COUNT = 0xffff_ffffL;

    private static final String MAP = ".map";
    private static final String ARENA = ".arena";
    private static final String EXTENTS = ".extents";
    private static final int MAP_CHUNK = 64 << 10;
    private static final int ARENA_CHUNK = 1 << 20;
    private static final int EXTENTS_CHUNK = 64 << 10;

    private static final String WAY_OUT =
            "; choose another directory for the buffers, or remove them if nothing of them is"
                    + " needed";

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private SparseFile map;
    private SparseFile arena;
    private SparseFile extents;

    private EpochFiles(final SparseFile map, final SparseFile arena, final SparseFile extents) {
        this.map = map;
        this.arena = arena;
        this.extents = extents;
    }

    /**
     * Opens them.
     *
     * @param slots that the arena should have room for; it may have room for more
     * @param hasGrown whether they may be of the disk when it was shorter: they become longer
     * @throws IOException where there is no space, or what is there is not what this disk's buffer
     *     would be
     */
    static EpochFiles open(
            final Path directory,
            final String name,
            final long diskLength,
            final long slots,
            final boolean hasGrown)
            throws IOException {
        final Path mapPath = directory.resolve(name + MAP);
        final Path arenaPath = directory.resolve(name + ARENA);
        final Path extentsPath = directory.resolve(name + EXTENTS);
        final ByteBuffer header = requireHeader(extentsPath, diskLength, hasGrown);
        final boolean isShorter =
                header.getLong(0) != 0 && header.getLong((int) AT_DISK_LENGTH) != diskLength;
        if (isShorter) {
            requireWithin(extentsPath, extentsLength(diskLength));
            requireWithin(mapPath, mapLength(diskLength));
        } else {
            requireLength(extentsPath, extentsLength(diskLength), false);
            requireLength(mapPath, mapLength(diskLength), countIn(header, AT_EXTENTS) > 0);
        }
        if (header.getLong(0) == 0) {
            requireNone(mapPath, extentsPath);
            requireNone(arenaPath, extentsPath);
        }
        requireRoom(arenaPath, countIn(header, AT_SLOTS));
        SparseFile map = null;
        SparseFile arena = null;
        SparseFile extents = null;
        boolean opened = false;
        try {
            extents = openExtents(extentsPath, diskLength);
            if (isShorter) {
                map = openMap(mapPath, diskLength); // the header says so when both are longer
            }
            writeHeader(extents, diskLength);
            map = map == null ? openMap(mapPath, diskLength) : map;
            arena = SparseFile.open(arenaPath, Math.max(1, slots) * BLOCK_LENGTH, ARENA_CHUNK);
            opened = true;
            return new EpochFiles(map, arena, extents);
        } finally {
            if (!opened) {
                closeAll(map, arena, extents);
            }
        }
    }

    private static SparseFile openMap(final Path path, final long diskLength) throws IOException {
        return SparseFile.open(path, mapLength(diskLength), MAP_CHUNK);
    }

    private static SparseFile openExtents(final Path path, final long diskLength)
            throws IOException {
        return SparseFile.open(path, extentsLength(diskLength), EXTENTS_CHUNK);
    }

    private static long blocks(final long diskLength) {
        return (diskLength + BLOCK_LENGTH - 1) / BLOCK_LENGTH;
    }

    private static long mapLength(final long diskLength) {
        return whole(Math.max(1, blocks(diskLength)) * Long.BYTES, MAP_CHUNK);
    }

    private static long extentsLength(final long diskLength) {
        return whole(HEADER_LENGTH + 2 * blocks(diskLength) * EXTENT_LENGTH, EXTENTS_CHUNK);
    }

    /**
     * The disk is longer, and they are of it from now on: what they keep stays, under mappings of
     * their own. The arena is as long as it was.
     *
     * @throws IOException where there is no room: then they are what they were, or have become
     *     longer for nothing
     */
    void lengthen(final long diskLength) throws IOException {
        final SparseFile longerMap = openMap(map.path(), diskLength);
        SparseFile longerExtents = null;
        try {
            longerExtents = openExtents(extents.path(), diskLength);
        } finally {
            if (longerExtents == null) {
                longerMap.close();
            }
        }
        map.close();
        extents.close();
        map = longerMap;
        extents = longerExtents;
        extents.segment().set(LONG, AT_DISK_LENGTH, diskLength);
    }

    private static long whole(final long length, final int chunkLength) {
        return (length + chunkLength - 1) & -(long) chunkLength;
    }

    // ---- What is there.

    private static long countIn(final ByteBuffer header, final long at) {
        return header.getLong((int) at) & COUNT;
    }

    /** Answers the header as it is; all zero where there is none yet. */
    private static ByteBuffer requireHeader(
            final Path path, final long diskLength, final boolean hasGrown) throws IOException {
        final ByteBuffer header =
                ByteBuffer.allocate((int) HEADER_LENGTH).order(ByteOrder.nativeOrder());
        if (PrivateFiles.length(path) == 0) {
            return header;
        }
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            while (header.hasRemaining() && file.read(header, header.position()) >= 0) {}
        }
        final long magic = header.getLong(0);
        if (magic != 0 && magic != MAGIC) {
            throw new IOException(path + " is no buffer of this version of lockstep" + WAY_OUT);
        }
        final long itsLength = header.getLong((int) AT_DISK_LENGTH);
        final boolean isOurs = itsLength == diskLength || hasGrown && itsLength < diskLength;
        if (magic == MAGIC && !isOurs) {
            throw new IOException(
                    path
                            + " belongs to a disk of "
                            + itsLength
                            + " bytes, not of "
                            + diskLength
                            + WAY_OUT);
        }
        return header;
    }

    private static void requireNone(final Path path, final Path extents) throws IOException {
        if (PrivateFiles.length(path) > 0) {
            throw new IOException(
                    extents
                            + " is missing or blank, and without it nobody knows what "
                            + path
                            + " keeps"
                            + WAY_OUT);
        }
    }

    private static void requireLength(final Path path, final long expected, final boolean isNeeded)
            throws IOException {
        final long length = PrivateFiles.length(path);
        if (length != expected && (length > 0 || isNeeded)) {
            throw misfit(path, length, "" + expected);
        }
    }

    /** One that is being made longer, or was when a process was killed. */
    private static void requireWithin(final Path path, final long longest) throws IOException {
        final long length = PrivateFiles.length(path);
        if (length > longest) {
            throw misfit(path, length, "at most " + longest);
        }
    }

    private static void requireRoom(final Path arena, final long slots) throws IOException {
        final long length = PrivateFiles.length(arena);
        if (length < slots * BLOCK_LENGTH || length % ARENA_CHUNK != 0) {
            throw misfit(arena, length, "whole MiB, at least " + slots * BLOCK_LENGTH);
        }
    }

    private static IOException misfit(final Path path, final long length, final String expected) {
        return new IOException(
                path
                        + " has "
                        + length
                        + " bytes where "
                        + expected
                        + " are expected: it was changed since, and what it kept may be gone"
                        + WAY_OUT);
    }

    private static void writeHeader(final SparseFile extents, final long diskLength)
            throws IOException {
        final int errno = extents.allocate(0, HEADER_LENGTH);
        if (errno != 0) {
            throw new IOException(
                    "cannot allocate space for " + extents.path() + ": " + Errno.meaning(errno));
        }
        final MemorySegment header = extents.segment();
        header.set(LONG, AT_DISK_LENGTH, diskLength); // it may have become longer
        VarHandle.releaseFence();
        header.set(LONG, 0, MAGIC);
    }

    // ---- The files.

    /** 8 bytes a block. */
    SparseFile map() {
        return map;
    }

    /** A block a slot. */
    SparseFile arena() {
        return arena;
    }

    /**
     * Exchanges the arenas of two buffers, in their directory, too, at once; answers whether that
     * could be.
     */
    boolean exchangeArena(final EpochFiles other) {
        final boolean fits = arena.segment().byteSize() == other.arena.segment().byteSize();
        if (!fits || !arena.exchangeName(other.arena)) {
            return false;
        }
        final SparseFile own = arena;
        arena = other.arena;
        other.arena = own;
        return true;
    }

    /** The header, then 16 bytes a run. */
    SparseFile extents() {
        return extents;
    }

    /** Runs that there is room for. */
    long extentsMax() {
        return (extents.segment().byteSize() - HEADER_LENGTH) / EXTENT_LENGTH;
    }

    /** Brings them to stable storage. */
    void sync() throws IOException {
        for (final SparseFile file : new SparseFile[] {map, arena, extents}) {
            Storage.sync(file.path());
        }
        Storage.sync(extents.path().toAbsolutePath().getParent());
    }

    /** Unmaps them, and keeps them. */
    void close() {
        closeAll(map, arena, extents);
    }

    private static void closeAll(final SparseFile... files) {
        for (final SparseFile file : files) {
            if (file != null) {
                file.close();
            }
        }
    }

    /** Removes them, whatever they hold, where they are. */
    static void remove(final Path directory, final String name) throws IOException {
        for (final String suffix : List.of(MAP, ARENA, EXTENTS)) {
            Files.deleteIfExists(directory.resolve(name + suffix));
        }
    }

    /** Unmaps and removes them. */
    void delete() throws IOException {
        extents.segment().set(LONG, AT_EXTENTS, 0);
        extents.segment().set(LONG, AT_SLOTS, 0);
        VarHandle.releaseFence();
        map.delete();
        arena.delete();
        extents.delete();
    }
}
