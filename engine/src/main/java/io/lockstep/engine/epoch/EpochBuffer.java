package io.lockstep.engine.epoch;

import static io.lockstep.engine.epoch.EpochFiles.AT_ERA;
import static io.lockstep.engine.epoch.EpochFiles.AT_EXTENTS;
import static io.lockstep.engine.epoch.EpochFiles.AT_SLOTS;
import static io.lockstep.engine.epoch.EpochFiles.EXTENT_LENGTH;
import static io.lockstep.engine.epoch.EpochFiles.HEADER_LENGTH;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.SparseFile;
import io.lockstep.engine.memory.VirtualMemory;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.file.Path;

/**
 * The blocks that one epoch keeps of a disk, to be dropped all at once by entering another epoch:
 * nothing is ever cleared. Three mapped files:
 *
 * <ul>
 *   <li>the <em>map</em>, 8 bytes a block: in the upper half the tag of the epoch that wrote the
 *       entry, in the lower half the slot with the block's content, or {@link #ZERO}. An entry with
 *       another epoch's tag counts as absent;
 *   <li>the <em>arena</em>, slots of a block each, taken one behind the other;
 *   <li>the <em>extents</em>: a page with the header, then 16 bytes for each run of blocks that was
 *       published, in the order of their publication, by which the merge walks what is there.
 * </ul>
 *
 * <p>What a kill leaves: a run's content is stored before its extent, its extent before the count,
 * the count before the map's entries. So an entry that is there is whole, and has an extent.
 *
 * <p>Tags are the epoch modulo 2<sup>32</sup>-1, plus one, so that zeroed memory has none. When
 * they are used up, after 2<sup>32</sup>-1 epochs (nearly seven years at 20 a second), the map is
 * cleared once. Slots are counted with 31 bits: 8 TiB of arena.
 *
 * <p>Bounded by the blocks of the disk: whoever publishes a block again does it only to make data
 * of what was {@link #ZERO}, so that there are two runs a block at most, and one slot.
 *
 * <p>On its group's loop only; allocates no object after it is opened. Lengths are in blocks unless
 * said otherwise.
 */
public final class EpochBuffer implements AutoCloseable {
    /** The unit of the buffers, in bytes. */
    public static final int BLOCK_LENGTH = 4096;

    /** Of {@link #find}: the epoch has nothing of this block. */
    public static final int ABSENT = -1;

    /** In place of a slot: the block is zero, and takes no slot. */
    public static final int ZERO = -2;

    private static final long TAGS = 0xffff_ffffL;
    private static final int SLOT_ZERO = -1;
    private static final int BLOCK_BITS = 12;

    /** A 64th a second. */
    private static final int USUAL_FADING_BITS = 6;

    /** Memory is given back only where it is worth a call. */
    private static final long TRIM_LENGTH_MIN = 1 << 20;

    /** An arena is worth taking where so much more of it was used before. */
    private static final long TAKEN_LENGTH_MIN = 64 << 20;

    /** And so much at most has to be copied into it, which takes a millisecond. */
    private static final long COPIED_LENGTH_MAX = 4 << 20;

    private static final long STRETCH_LENGTH = 1 << VirtualMemory.STRETCH_BITS;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final VarHandle COUNT = LONG.varHandle();

    private final EpochFiles files;
    private SparseFile map;
    private SparseFile arena;
    private SparseFile extents;
    private final long slotsMax;
    private long extentsMax;
    private long epoch;
    private long tag;

    /** Runs that were reserved and may still be published. */
    private long extentsReserved;

    /** Blocks of all runs that were published in this epoch. */
    private long blockCount;

    /** Bytes of arena that epochs of late have used: at most, and fading. */
    private long usualLength;

    /** Bytes of arena that epochs before this one have used since they have their space. */
    private long touchedLength;

    /** Bytes of arena that are in the process's page table. */
    private long enteredLength;

    private EpochBuffer(final EpochFiles files, final long slotsMax) {
        this.files = files;
        map = files.map();
        arena = files.arena();
        extents = files.extents();
        extentsMax = files.extentsMax();
        this.slotsMax = slotsMax;
    }

    /**
     * Opens a buffer's files, made where there are none, as a killed process left them. A limit
     * that is smaller than what is kept holds for what is taken from now on.
     *
     * @param directory where they lie
     * @param name they begin with it
     * @param diskLength in bytes
     * @param arenaLimit bytes that the arena may take
     * @throws IOException where there is no space, or what is there does not fit the disk
     */
    public static EpochBuffer open(
            final Path directory, final String name, final long diskLength, final long arenaLimit)
            throws IOException {
        return open(directory, name, diskLength, arenaLimit, false);
    }

    /**
     * The same.
     *
     * @param hasGrown whether they may be of the disk when it was shorter, when a process was
     *     killed that was about to {@link #lengthen} them
     * @throws IOException as above
     */
    public static EpochBuffer open(
            final Path directory,
            final String name,
            final long diskLength,
            final long arenaLimit,
            final boolean hasGrown)
            throws IOException {
        final long blocks = (diskLength + BLOCK_LENGTH - 1) / BLOCK_LENGTH;
        // A block takes one; a kill may leave some taken for nothing, see findPublished.
        final long slotsMax =
                Math.min(Integer.MAX_VALUE, Math.min(2 * blocks, arenaLimit / BLOCK_LENGTH));
        return new EpochBuffer(
                EpochFiles.open(directory, name, diskLength, slotsMax, hasGrown), slotsMax);
    }

    /**
     * The disk is longer from now on: what is kept stays, and so does the limit of the arena.
     *
     * @param diskLength in bytes, more than it was
     * @throws IOException where there is no room for it; then it is for the disk as it was
     */
    public void lengthen(final long diskLength) throws IOException {
        files.lengthen(diskLength);
        map = files.map();
        extents = files.extents();
        extentsMax = files.extentsMax();
    }

    /**
     * From now on it keeps the blocks of that epoch. What it has of this epoch already, it keeps;
     * what it has of any other is gone.
     */
    public void enter(final long newEpoch) {
        if (newEpoch == epoch && tag != 0) {
            return;
        }
        final long era = newEpoch / TAGS;
        final MemorySegment header = extents.segment();
        if (header.get(LONG, AT_ERA) != era) {
            map.release(0); // before the era: a kill in between clears it again
            VarHandle.releaseFence();
            header.set(LONG, AT_ERA, era);
        }
        final boolean isOpening = tag == 0;
        usualLength = Math.max(usualLength, usedLength());
        touchedLength = Math.max(touchedLength, usedLength());
        epoch = newEpoch;
        tag = tagOf(newEpoch);
        extentsReserved = 0;
        blockCount = 0;
        if (isOpening) {
            findPublished();
        }
    }

    /** Slots that a process had taken for runs that it did not live to publish are free again. */
    private void findPublished() {
        long slots = 0;
        for (long i = 0; i < extentCount(); i++) {
            final long at = HEADER_LENGTH + i * EXTENT_LENGTH;
            final int slot = extents.segment().get(INT, at + 12);
            slots = slot == ZERO ? slots : Math.max(slots, (long) slot + extentLength(i));
            blockCount += extentLength(i);
        }
        if (slots < slotCount()) {
            setCount(AT_SLOTS, slots);
        }
    }

    private static long tagOf(final long epoch) {
        return epoch % TAGS + 1;
    }

    /** The epoch whose blocks it keeps. */
    public long epoch() {
        return epoch;
    }

    /** What an epoch has of a block: a slot, {@link #ZERO} or {@link #ABSENT}. */
    public int find(final long block, final long ofEpoch) {
        final long at = block * Long.BYTES;
        if (!map.isAllocated(at)) {
            return ABSENT;
        }
        final long entry = map.segment().get(LONG, at);
        if (entry >>> Integer.SIZE != tagOf(ofEpoch)) {
            return ABSENT;
        }
        return (int) entry == SLOT_ZERO ? ZERO : (int) entry;
    }

    /** What the present epoch has of a block. */
    public int find(final long block) {
        return find(block, epoch);
    }

    /**
     * Sees to it that a run of blocks can be published, and takes slots for it.
     *
     * @param isZero whether it will be published as {@link #ZERO}, without slots
     * @return the first slot ({@link #ZERO} where none is needed); a negative error number below
     *     {@link #ZERO} where there is no room: {@code -ENOSPC}
     */
    public int reserve(final long block, final int count, final boolean isZero) {
        final long extentCount = extentCount() + extentsReserved;
        int errno = map.allocate(block * Long.BYTES, (long) count * Long.BYTES);
        if (errno == 0 && extentCount == extentsMax) {
            errno = Errno.ENOSPC;
        }
        if (errno == 0) {
            errno = extents.allocate(HEADER_LENGTH + extentCount * EXTENT_LENGTH, EXTENT_LENGTH);
        }
        if (errno != 0) {
            return -errno;
        }
        if (isZero) {
            extentsReserved++;
            return ZERO;
        }
        final long slot = slotCount();
        if (slot + count > slotsMax) {
            return -Errno.ENOSPC;
        }
        errno = arena.allocate(slot * BLOCK_LENGTH, (long) count * BLOCK_LENGTH);
        if (errno != 0) {
            return -errno;
        }
        setCount(AT_SLOTS, slot + count);
        extentsReserved++;
        return (int) slot;
    }

    /**
     * Makes a run of blocks known that was reserved, and whose slots hold its content.
     *
     * @param slot as {@link #reserve} answered
     */
    public void publish(final long block, final int count, final int slot) {
        final long index = extentCount();
        final long at = HEADER_LENGTH + index * EXTENT_LENGTH;
        extentsReserved--;
        blockCount += count;
        final MemorySegment list = extents.segment();
        list.set(LONG, at, block);
        list.set(INT, at + 8, count);
        list.set(INT, at + 12, slot);
        setCount(AT_EXTENTS, index + 1);
        long entry = tag << Integer.SIZE | (slot == ZERO ? SLOT_ZERO & TAGS : slot);
        final long step = slot == ZERO ? 0 : 1;
        VarHandle.releaseFence();
        for (long i = block; i < block + count; i++) {
            map.segment().set(LONG, i * Long.BYTES, entry);
            entry += step;
        }
        VarHandle.releaseFence();
    }

    /** Forgets a block of an epoch: its content has become the disk's. */
    public void forget(final long block, final long ofEpoch) {
        if (find(block, ofEpoch) != ABSENT) {
            map.segment().set(LONG, block * Long.BYTES, 0);
            VarHandle.releaseFence();
        }
    }

    /** The memory of the slots. */
    public MemorySegment arena() {
        return arena.segment();
    }

    /**
     * Whether nothing was kept in a slot since it has its space. The first store to a page of such
     * memory waits for the kernel to clear it.
     */
    public boolean isFresh(final int slot) {
        return position(slot) >= touchedLength;
    }

    /**
     * Fills slots with what lies elsewhere in memory: whole pages, which the kernel need not clear
     * first where they are fresh.
     *
     * @param length in bytes
     * @return 0 or an error number; {@code EFAULT} where that memory is not there
     */
    public int fill(
            final int slot, final MemorySegment from, final long position, final int length) {
        return arena.write(position(slot), from, position, length);
    }

    /**
     * Sees to it that slots which are not fresh can be stored to without a fault for each page: it
     * was perhaps {@link #fill} that wrote them before.
     *
     * @param length in bytes
     */
    public void enterPages(final int slot, final int length) {
        final long end = position(slot) + length;
        while (enteredLength < Math.min(end, touchedLength)) {
            arena.enterStretch(enteredLength);
            enteredLength = (enteredLength & -STRETCH_LENGTH) + STRETCH_LENGTH;
        }
    }

    /** Where a slot lies in the {@link #arena}, in bytes. */
    public static long position(final int slot) {
        return (long) slot << BLOCK_BITS;
    }

    // ---- What it has, run by run.

    /** How many runs were published in this epoch. */
    public long extentCount() {
        return count(AT_EXTENTS);
    }

    /** How many blocks these have. */
    public long blockCount() {
        return blockCount;
    }

    /** The first block of a run. */
    public long extentBlock(final long index) {
        return extents.segment().get(LONG, HEADER_LENGTH + index * EXTENT_LENGTH);
    }

    /** How many blocks a run has. */
    public int extentLength(final long index) {
        return extents.segment().get(INT, HEADER_LENGTH + index * EXTENT_LENGTH + 8);
    }

    /** Slots that are taken. */
    public long slotCount() {
        return count(AT_SLOTS);
    }

    private long count(final long at) {
        final long value = extents.segment().get(LONG, at);
        return value >>> Integer.SIZE == tag ? value & TAGS : 0;
    }

    private void setCount(final long at, final long count) {
        COUNT.setRelease(extents.segment(), at, tag << Integer.SIZE | count);
    }

    // ---- Its space.

    /**
     * Goes on in the arena of a buffer that keeps nothing in its epoch, where that is worth it, and
     * gives it its own: then a long epoch behind another one uses memory again that was touched,
     * instead of as much again that was not. It is where epochs of late were so long, or where
     * nothing would have to be copied. Slots stay what they are; what they hold is copied before
     * the files' names are exchanged, so that a kill leaves them well either way.
     *
     * <p>Nobody may use either meanwhile, or have reserved a run that is not published.
     *
     * @return whether it has
     */
    public boolean takeArena(final EpochBuffer idle) {
        final long used = usedLength();
        final long usuallyUsed = Math.max(usualLength, idle.usualLength);
        final long wanted =
                used == 0 ? idle.touchedLength : Math.min(idle.touchedLength, usuallyUsed);
        final boolean isWorth =
                wanted - Math.max(touchedLength, used) >= TAKEN_LENGTH_MIN
                        && used <= COPIED_LENGTH_MAX;
        if (!isWorth || extentsReserved > 0 || idle.extentsReserved > 0 || idle.slotCount() > 0) {
            return false;
        }
        if (idle.fill(0, arena(), 0, (int) used) != 0 || !files.exchangeArena(idle.files)) {
            return false;
        }
        final long touched = Math.max(touchedLength, used);
        final long entered = enteredLength;
        final long usual = Math.max(usualLength, used);
        arena = files.arena();
        touchedLength = idle.touchedLength;
        enteredLength = idle.enteredLength;
        usualLength = idle.usualLength;
        idle.arena = idle.files.arena();
        idle.touchedLength = touched;
        idle.enteredLength = entered;
        idle.usualLength = usual;
        return true;
    }

    /**
     * Touches arena behind what is used or was touched before: what is kept there later waits no
     * more for the kernel to find the memory. Not behind fresh slots that the epoch has begun to
     * take: it goes on with them.
     *
     * @param mark bytes of arena that are to have been touched in the end
     * @param zeros what is written, and so how much at most
     * @return whether there was anything left to touch, and room for it
     */
    public boolean prepare(final long mark, final MemorySegment zeros) {
        final long start = touchedLength;
        final long length =
                Math.min(zeros.byteSize(), Math.min(mark, limitLength()) - start) & -BLOCK_LENGTH;
        if (length <= 0
                || usedLength() > start
                || arena.allocate(start, length) != 0
                || arena.write(start, zeros, 0, (int) length) != 0) {
            return false;
        }
        touchedLength = start + length;
        return true;
    }

    /** Bytes of arena that the present epoch uses. */
    public long usedLength() {
        return slotCount() * BLOCK_LENGTH;
    }

    /** Bytes of arena that have their space. */
    public long allocatedLength() {
        return arena.allocatedLength();
    }

    /** Bytes of arena that may be used. */
    public long limitLength() {
        return slotsMax * BLOCK_LENGTH;
    }

    /**
     * Gives back arena space beyond a mark, in bytes, and beyond what is in use or was of late: to
     * be called once a second. What an epoch used is half forgotten after three quarters of a
     * minute.
     */
    public void trim(final long highWater) {
        usualLength -= usualLength >> USUAL_FADING_BITS;
        final long keep = Math.max(highWater, Math.max(usualLength, usedLength()));
        if (arena.allocatedLength() > keep + TRIM_LENGTH_MIN) {
            release(keep);
        }
    }

    private void release(final long from) {
        arena.release(from);
        touchedLength = Math.min(touchedLength, from);
        enteredLength = Math.min(enteredLength, from);
    }

    /**
     * Gives back the end of the arena, whatever is kept there: for one that will be {@linkplain
     * #delete deleted}, which takes the longer the more there is.
     *
     * @param length in bytes, at most
     * @return whether there was any
     */
    public boolean giveBack(final long length) {
        final long end = arena.allocatedEnd();
        if (end > 0) {
            release(Math.max(0, end - length));
        }
        return end > 0 && arena.allocatedEnd() < end; // not every file system takes it back
    }

    /**
     * Brings the files to stable storage, in which time it must not change.
     *
     * @throws IOException where that fails
     */
    public void sync() throws IOException {
        files.sync();
    }

    /** Unmaps the files, and keeps them. */
    @Override
    public void close() {
        files.close();
    }

    /**
     * Removes the files of one that is not open, whatever they hold; none is well too.
     *
     * @throws IOException where that failed
     */
    public static void remove(final Path directory, final String name) throws IOException {
        EpochFiles.remove(directory, name);
    }

    /** Unmaps and removes the files. */
    public void delete() throws IOException {
        files.delete();
    }
}
