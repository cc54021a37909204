package io.lockstep.engine.epoch;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.MappedFile;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * One mapped page with what a group knows of itself: its state, its epochs, whose writes it takes.
 * A commit is one 8-byte release store here, and so is a failover; a process killed on either side
 * of it finds the one or the other.
 *
 * <p>Written by the group's loop; the committed epoch may be read from any thread.
 */
public final class GroupPage implements AutoCloseable {
    /** Replication was not started. */
    public static final long IDLE = 0;

    /** Replication goes on. */
    public static final long RUNNING = 1;

    /** Failed over: what the buffers have belongs into the disks. */
    public static final long FAILED_OVER = 2;

    /** The disks stand alone. */
    public static final long ALONE = 3;

    /** Disks of one group at most. */
    public static final int DISKS_MAX = 256;

    private static final int LENGTH = 4096;
    private static final long MAGIC = 0x4c4f_434b_4752_5031L; // "LOCKGRP1"
    private static final long AT_DISKS = 8;
    private static final long AT_STATE = 16;
    private static final long AT_BROKEN = 24;
    private static final long AT_SESSION_HIGH = 32;
    private static final long AT_SESSION_LOW = 40;

    /** On a cache line of its own. */
    private static final long AT_COMMITTED = 64;

    private static final long AT_SEALED = 128;
    private static final long AT_ATTACHED = AT_SEALED + (long) DISKS_MAX * Long.BYTES;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final VarHandle WORD = LONG.varHandle();

    private final MappedFile file;
    private final MemorySegment page;

    private GroupPage(final MappedFile file) {
        this.file = file;
        page = file.segment();
    }

    /**
     * Opens the page in a file, made if there is none.
     *
     * @throws IOException where there is no space, or it belongs to other disks
     */
    public static GroupPage open(final Path path, final List<? extends Disk> disks)
            throws IOException {
        if (disks.size() > DISKS_MAX) {
            throw new IOException("a group has at most " + DISKS_MAX + " disks");
        }
        final MappedFile file = MappedFile.allocate(path, LENGTH);
        boolean opened = false;
        try {
            final GroupPage page = new GroupPage(file);
            page.require(describe(disks), path.toAbsolutePath().getParent());
            opened = true;
            return page;
        } finally {
            if (!opened) {
                file.close();
            }
        }
    }

    /** Names and lengths, so that buffers of other disks are told from ours. */
    private static long describe(final List<? extends Disk> disks) {
        final CRC32C sum = new CRC32C();
        for (final Disk disk : disks) {
            sum.update(
                    (disk.name() + '\0' + disk.length() + '\0').getBytes(StandardCharsets.UTF_8));
        }
        return (long) disks.size() << Integer.SIZE | sum.getValue();
    }

    private void require(final long disks, final Path directory) throws IOException {
        final long magic = page.get(LONG, 0);
        if (magic == 0) {
            page.set(LONG, AT_DISKS, disks);
            VarHandle.releaseFence();
            page.set(LONG, 0, MAGIC);
        } else if (magic != MAGIC) {
            throw new IOException(
                    file.path()
                            + " is no file of this version of lockstep; choose another directory");
        } else if (page.get(LONG, AT_DISKS) != disks) {
            throw new IOException(
                    "the buffers in "
                            + directory
                            + " belong to disks of other names or lengths; choose another"
                            + " directory, or remove this one if nothing of it is needed");
        }
    }

    /** Where the group stands: one of the constants. */
    public long state() {
        return (long) WORD.getAcquire(page, AT_STATE);
    }

    /** The group now stands there. */
    public void state(final long state) {
        WORD.setRelease(page, AT_STATE, state);
    }

    /** Whether the stream was refused because of an error. */
    public boolean isBroken() {
        return page.get(LONG, AT_BROKEN) != 0;
    }

    /** Says whether the stream is refused. */
    public void broken(final boolean isBroken) {
        WORD.setRelease(page, AT_BROKEN, isBroken ? 1L : 0L);
    }

    /**
     * The first half of the name of the primary whose writes are taken; with the other 0 for none.
     */
    public long sessionHigh() {
        return page.get(LONG, AT_SESSION_HIGH);
    }

    /** The second half. */
    public long sessionLow() {
        return page.get(LONG, AT_SESSION_LOW);
    }

    /** From now on that primary's writes are taken. */
    public void session(final long high, final long low) {
        page.set(LONG, AT_SESSION_LOW, low);
        WORD.setRelease(page, AT_SESSION_HIGH, high);
    }

    /** Whether the primary has presented itself for a disk, and its pair was found to be equal. */
    public boolean isAttached(final int disk) {
        return page.get(ValueLayout.JAVA_BYTE, AT_ATTACHED + disk) != 0;
    }

    /** The pair of that disk is equal. */
    public void attach(final int disk) {
        page.set(ValueLayout.JAVA_BYTE, AT_ATTACHED + disk, (byte) 1);
    }

    /** The last committed epoch; 0 for the state in which replication started. */
    public long committedEpoch() {
        return (long) WORD.getAcquire(page, AT_COMMITTED);
    }

    /** The commit. */
    public void commit(final long epoch) {
        WORD.setRelease(page, AT_COMMITTED, epoch);
    }

    /** The last epoch of a disk that is sealed. */
    public long sealedEpoch(final int disk) {
        return (long) WORD.getAcquire(page, AT_SEALED + (long) disk * Long.BYTES);
    }

    /** All of a disk's writes of that epoch, and of those before it, have reached the disk. */
    public void seal(final int disk, final long epoch) {
        WORD.setRelease(page, AT_SEALED + (long) disk * Long.BYTES, epoch);
    }

    /** Unmaps the page, and keeps the file. */
    @Override
    public void close() {
        file.close();
    }

    /** Unmaps the page, and removes the file. */
    public void delete() throws IOException {
        file.close();
        Files.deleteIfExists(file.path());
    }
}
