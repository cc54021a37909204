package io.lockstep.engine.secondary;

import io.lockstep.engine.memory.MemoryLimit;
import io.lockstep.engine.memory.Storage;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The memory of a group's buffers: had before it is needed, and given back when it is needed no
 * longer. On the group's loop.
 *
 * <p>A page that nobody has touched costs several times what a copy into one costs that is there,
 * and a first epoch needs one for each page of its pre-images. So a group that has nothing to do
 * touches some of the hidden disks' memory ahead, within what {@link #trim} leaves a buffer anyway.
 */
final class BufferSpace {
    /** A buffer keeps so much memory for the next epochs, in bytes. */
    private static final long HIGH_WATER = 256L << 20;

    private static final long TRIM_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Bytes that are touched ahead, of all disks. */
    private static final long AHEAD_MAX = 256L << 20;

    /** And of what their file system has room for, and of what the process may have at all. */
    private static final int ROOM_SHARE = 8;

    private static final int LIMIT_SHARE = 16;

    /** A third of a millisecond, for which a write may have to wait. */
    private static final int STEP_LENGTH = 512 << 10;

    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long BUSY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final SecondaryGroup group;
    private final SecondaryDisks disks;

    /** Bytes of each hidden disk that are to be there, whichever of its buffers has them. */
    private long ahead;

    private MemorySegment zeros;

    /** What the buffers kept at the last look, in blocks. */
    private long keptBlocks;

    BufferSpace(final SecondaryGroup group, final SecondaryDisks disks) {
        this.group = group;
        this.disks = disks;
    }

    /** Begins to give memory back. */
    void start() {
        group.loop().schedule(TRIM_NANOS, this::trim);
    }

    private void trim() {
        if (isInUse()) {
            disks.forEach(disk -> disk.trim(HIGH_WATER));
            start();
        }
    }

    private boolean isInUse() {
        return !group.isClosed() && group.hasBuffers();
    }

    /**
     * Begins to touch memory ahead, where all buffers lie in memory.
     *
     * @param files where they lie
     */
    void prepare(final List<BufferFiles> files) {
        if (!isInUse() || group.isOver()) {
            return;
        }
        try {
            ahead = roomFor(files) / files.size();
        } catch (final IOException e) {
            ahead = 0; // their memory is found when it is needed
        }
        if (ahead == 0) {
            return;
        }
        zeros = Arena.ofAuto().allocate(STEP_LENGTH);
        keptBlocks = disks.sum(SecondaryDisk::keptBlocks);
        group.loop().schedule(STEP_NANOS, this::step);
    }

    private static long roomFor(final List<BufferFiles> files) throws IOException {
        long room = Math.min(AHEAD_MAX, MemoryLimit.bytes() / LIMIT_SHARE);
        for (final BufferFiles disk : files) {
            final Path directory = disk.hidden().toAbsolutePath().getParent();
            final long free =
                    Storage.isMemory(directory)
                            ? Files.getFileStore(directory).getUsableSpace()
                            : 0;
            room = Math.min(room, free / ROOM_SHARE);
        }
        return room;
    }

    private void step() {
        if (isInUse() && !group.isOver()) {
            group.loop().schedule(touch(), this::step);
        }
    }

    /** Touches a little, unless a guest writes; answers when to look again, in nanoseconds. */
    private long touch() {
        final long kept = disks.sum(SecondaryDisk::keptBlocks);
        if (kept != keptBlocks) {
            keptBlocks = kept;
            return BUSY_NANOS;
        }
        final boolean hasTouched =
                disks.list().stream().anyMatch(disk -> disk.prepare(ahead, zeros));
        return hasTouched ? STEP_NANOS : IDLE_NANOS; // another epoch may have room for more
    }
}
