package io.lockstep.engine.epoch;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.MappedFile;
import io.lockstep.engine.memory.Storage;
import io.lockstep.engine.node.Id;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
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
    private static final long MAGIC = 0x4c4f_434b_4752_5033L; // "LOCKGRP3"
    private static final long AT_DISKS = 8;
    private static final long AT_STATE = 16;
    private static final long AT_BROKEN = 24;
    private static final long AT_SESSION_HIGH = 32;
    private static final long AT_SESSION_LOW = 40;
    private static final long AT_FOREIGN = 48;
    private static final long AT_CATCHING_UP = 56;

    /** On a cache line of its own. */
    private static final long AT_COMMITTED = 64;

    // Written once.
    private static final long AT_NODE = 96;
    private static final long AT_BOOT = 112;

    private static final long AT_SEALED = 128;

    /** The committed epoch behind which a synchronisation has begun. */
    private static final long AT_CATCHING_UP_FROM = 2176;

    private static final long AT_SPILLED = 2184;
    private static final long AT_SPILL = 2192;

    /** The disks as they are to be, while one becomes longer; or 0. */
    private static final long AT_GROWING = 2208;

    /** On a cache line of its own: written with each record, and the seals with each checkpoint. */
    private static final long AT_RECORD = 2240;

    /** Of shared disks: what the primary does when its link is lost, flags of its own. */
    private static final long AT_GOES_ON = 2304;

    /** Boot and session of who closed it in good order, and a sum; in a sector of their own. */
    private static final long AT_MARK = 2560;

    private static final long AT_MARK_SESSION = 2576;
    private static final long AT_MARK_SUM = 2592;

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
     * @param node whose buffers these are
     * @param boot the host's: what another one has left is lost, unless it says that it is whole
     *     ({@link #markClean}); that counts once
     * @param committedEpoch behind which one that is made goes on
     * @param recordNumber see {@link #recordNumber()}; of one that is made
     * @throws IOException where there is no space, or it belongs to other disks or another node
     */
    public static GroupPage open(
            final Path path,
            final List<? extends Disk> disks,
            final Id node,
            final Id boot,
            final long committedEpoch,
            final long recordNumber)
            throws IOException {
        if (disks.size() > DISKS_MAX) {
            throw new IOException("a group has at most " + DISKS_MAX + " disks");
        }
        final MappedFile file = MappedFile.allocate(path, LENGTH);
        boolean opened = false;
        try {
            final GroupPage page = new GroupPage(file);
            page.makeUnlessMade(disks, node, boot, committedEpoch, recordNumber);
            page.require(describe(disks), node, path.toAbsolutePath().getParent());
            page.takeMark(boot);
            page.endGrowthUnlessBegun(describe(disks));
            opened = true;
            return page;
        } finally {
            if (!opened) {
                file.close();
            }
        }
    }

    /**
     * Whether there is no page in a file, or one that was never made.
     *
     * @throws IOException where the file can't be read
     */
    public static boolean isBlank(final Path path) throws IOException {
        if (!Files.exists(path)) {
            return true;
        }
        final ByteBuffer magic = ByteBuffer.allocate(Long.BYTES);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            while (magic.hasRemaining() && channel.read(magic, magic.position()) >= 0) {}
        }
        return magic.getLong(0) == 0;
    }

    /** Names and lengths, so that buffers of other disks are told from ours. */
    private static long describe(final List<? extends Disk> disks) {
        return describe(disks, -1, 0);
    }

    /** The same where one of them has another length. */
    private static long describe(
            final List<? extends Disk> disks, final int other, final long length) {
        final CRC32C sum = new CRC32C();
        for (int i = 0; i < disks.size(); i++) {
            final long itsLength = i == other ? length : disks.get(i).length();
            sum.update(
                    (disks.get(i).name() + '\0' + itsLength + '\0')
                            .getBytes(StandardCharsets.UTF_8));
        }
        return (long) disks.size() << Integer.SIZE | sum.getValue();
    }

    private void makeUnlessMade(
            final List<? extends Disk> disks,
            final Id node,
            final Id boot,
            final long committedEpoch,
            final long recordNumber) {
        if (page.get(LONG, 0) == 0) {
            page.set(LONG, AT_DISKS, describe(disks));
            put(AT_NODE, node);
            put(AT_BOOT, boot);
            for (int disk = 0; disk < disks.size(); disk++) {
                seal(disk, committedEpoch);
            }
            commit(committedEpoch);
            recordNumber(recordNumber);
            VarHandle.releaseFence();
            page.set(LONG, 0, MAGIC);
        }
    }

    private void require(final long disks, final Id node, final Path directory) throws IOException {
        final long magic = page.get(LONG, 0);
        if (magic != MAGIC) {
            throw new IOException(
                    file.path()
                            + " is no file of this version of lockstep; choose another directory");
        } else if (page.get(LONG, AT_DISKS) != disks && page.get(LONG, AT_GROWING) != disks) {
            throw new IOException(
                    "the buffers in "
                            + directory
                            + " belong to disks of other names or lengths; choose another"
                            + " directory, or remove this one if nothing of it is needed");
        } else if (!get(AT_NODE).equals(node)) {
            throw new IOException(
                    "the buffers in "
                            + directory
                            + " are those of another node ("
                            + get(AT_NODE).brief()
                            + ", and the state is that of "
                            + node.brief()
                            + "); choose another directory, or remove this one if nothing of it is"
                            + " needed");
        }
    }

    // ---- A disk becomes longer.

    /**
     * A disk is about to be recorded to be longer: from now on the buffers are of the disks as they
     * are, and as they will be.
     *
     * @param disks all of them, as they are
     */
    public void beginGrowth(final List<? extends Disk> disks, final int number, final long length) {
        WORD.setRelease(page, AT_GROWING, describe(disks, number, length));
    }

    /** That was not recorded. */
    public void cancelGrowth() {
        WORD.setRelease(page, AT_GROWING, 0L);
    }

    private void endGrowthUnlessBegun(final long disks) {
        if (page.get(LONG, AT_DISKS) == disks) {
            cancelGrowth(); // the process was killed before it was recorded
        }
    }

    /** Whether buffers may be those of a shorter disk: that was recorded, and no more. */
    public boolean isGrowing() {
        return page.get(LONG, AT_GROWING) != 0;
    }

    /** All buffers are those of the longer disk. */
    public void endGrowth() {
        if (isGrowing()) {
            WORD.setRelease(page, AT_DISKS, page.get(LONG, AT_GROWING));
            cancelGrowth();
        }
    }

    /**
     * Whose page a file has, which stays as it is; {@link Id#NONE} where there is none of this
     * version, or one whose merge is not done.
     *
     * @throws IOException where the file can't be read
     */
    public static Id nodeOf(final Path path) throws IOException {
        if (!Files.exists(path) || Files.size(path) < LENGTH) {
            return Id.NONE;
        }
        final ByteBuffer bytes = ByteBuffer.allocate(LENGTH).order(ByteOrder.nativeOrder());
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            while (bytes.hasRemaining() && channel.read(bytes, bytes.position()) >= 0) {}
        }
        return bytes.getLong(0) == MAGIC && bytes.getLong((int) AT_STATE) != FAILED_OVER
                ? new Id(bytes.getLong((int) AT_NODE), bytes.getLong((int) AT_NODE + Long.BYTES))
                : Id.NONE;
    }

    // ---- Whether it outlives the boot.

    /**
     * Says, on stable storage, that buffers and page are whole there, for another boot to take
     * them. All buffers are flushed, and nothing of them or of the page changes any more.
     *
     * @throws IOException where that can't be said
     */
    public void markClean() throws IOException {
        Storage.sync(file.path()); // a mark that comes first would be a lie
        put(AT_MARK, get(AT_BOOT));
        put(AT_MARK_SESSION, session());
        page.set(LONG, AT_MARK_SUM, markSum());
        Storage.sync(file.path());
        Storage.sync(file.path().toAbsolutePath().getParent());
    }

    /** A mark is off before anything changes: it would tell a later boot what is not so. */
    private void takeMark(final Id boot) throws IOException {
        if (page.get(LONG, AT_MARK_SUM) == 0) {
            return;
        }
        final boolean isValid =
                page.get(LONG, AT_MARK_SUM) == markSum()
                        && get(AT_MARK).equals(get(AT_BOOT))
                        && get(AT_MARK_SESSION).equals(session());
        if (isValid) {
            put(AT_BOOT, boot);
        }
        page.set(LONG, AT_MARK_SUM, 0);
        Storage.sync(file.path());
    }

    private long markSum() {
        final CRC32C sum = new CRC32C();
        sum.update(page.asSlice(0, AT_MARK_SUM).toArray(ValueLayout.JAVA_BYTE));
        return 1L << Integer.SIZE | sum.getValue(); // never 0
    }

    private void put(final long at, final Id id) {
        page.set(LONG, at, id.high());
        page.set(LONG, at + Long.BYTES, id.low());
    }

    private Id get(final long at) {
        return new Id(page.get(LONG, at), page.get(LONG, at + Long.BYTES));
    }

    /** Whether it is of another boot of the host: pages of the buffers may be lost. */
    public boolean isOfAnotherBoot(final Id boot) {
        return !get(AT_BOOT).equals(boot);
    }

    /**
     * The number of the newest state record that was stored while these buffers were open: never
     * above that of the state, unless somebody has put an older one back.
     */
    public long recordNumber() {
        return page.get(LONG, AT_RECORD);
    }

    /** A record is on stable storage. */
    public void recordNumber(final long number) {
        WORD.setRelease(page, AT_RECORD, number);
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

    /** The session of the primary whose writes are taken; or none. */
    public Id session() {
        return get(AT_SESSION_HIGH);
    }

    /** From now on that primary's writes are taken. */
    public void session(final Id session) {
        page.set(LONG, AT_SESSION_LOW, session.low());
        WORD.setRelease(page, AT_SESSION_HIGH, session.high());
    }

    /** The node is another one from now on, which follows nobody yet. */
    public void node(final Id node) {
        session(Id.NONE);
        put(AT_NODE, node);
    }

    /** What a primary that shares its disks does when its link is lost, as it said last. */
    public int goesOn() {
        return (int) page.get(LONG, AT_GOES_ON);
    }

    /** It has said so. */
    public void goesOn(final int flags) {
        WORD.setRelease(page, AT_GOES_ON, (long) flags);
    }

    /** Whether somebody who is no lockstep has written, as the primary that QEMU is. */
    public boolean isOfForeign() {
        return page.get(LONG, AT_FOREIGN) != 0;
    }

    /** Somebody who is no lockstep writes. */
    public void ofForeign() {
        WORD.setRelease(page, AT_FOREIGN, 1L);
    }

    /** Whether the primary whose session this is makes the disks equal, and is not done. */
    public boolean isCatchingUp() {
        return page.get(LONG, AT_CATCHING_UP) == page.get(LONG, AT_SESSION_LOW)
                && !session().isNone();
    }

    /**
     * The same, and nothing has been committed since it began: what is written belongs to the
     * synchronisation, and not to an epoch behind it.
     */
    public boolean isBeforeCaughtUp() {
        return isCatchingUp() && page.get(LONG, AT_CATCHING_UP_FROM) == committedEpoch();
    }

    /** A session begins with that, once it is this page's; or with {@link Id#NONE} it is done. */
    public void catchingUp(final Id session) {
        WORD.setRelease(page, AT_CATCHING_UP_FROM, committedEpoch());
        WORD.setRelease(page, AT_CATCHING_UP, session.low());
    }

    /** The last epoch of which a pre-image is not in the buffers but in the spill. */
    public long spilledEpoch() {
        return (long) WORD.getAcquire(page, AT_SPILLED);
    }

    /** One of that epoch is about to be; from the loop of any disk. */
    public void spilled(final long epoch) {
        long before = spilledEpoch();
        while (epoch > before && !WORD.compareAndSet(page, AT_SPILLED, before, epoch)) {
            before = spilledEpoch(); // another disk's is of another epoch
        }
    }

    /** The name of the spill that belongs to these buffers; or none. */
    public Id spill() {
        return get(AT_SPILL);
    }

    /** From now on it is that one. */
    public void spill(final Id name) {
        put(AT_SPILL, name);
    }

    /** The last committed epoch; 0 for the state in which replication started. */
    public long committedEpoch() {
        return (long) WORD.getAcquire(page, AT_COMMITTED);
    }

    /** The commit. */
    public void commit(final long epoch) {
        WORD.setRelease(page, AT_COMMITTED, epoch);
    }

    /** The last epoch of a disk that is sealed. From the loop of any disk. */
    public long sealedEpoch(final int disk) {
        return (long) WORD.getVolatile(page, AT_SEALED + (long) disk * Long.BYTES);
    }

    /**
     * All of a disk's writes of that epoch, and of those before it, have reached the disk.
     * Volatile: of two loops that seal at a time, and then look, one at least sees both.
     */
    public void seal(final int disk, final long epoch) {
        WORD.setVolatile(page, AT_SEALED + (long) disk * Long.BYTES, epoch);
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
