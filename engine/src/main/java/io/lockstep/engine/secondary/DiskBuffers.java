package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.ABSENT;
import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;
import static io.lockstep.engine.epoch.EpochBuffer.ZERO;

import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.memory.Errno;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The buffers of one secondary disk: the hidden disk, which is one buffer for each of the two
 * epochs that may be uncommitted, taken in turn, and the active disk. Who looks for a block as the
 * guest sees it looks in the active disk, then in the older uncommitted epoch's pre-images, then in
 * the younger's, then in the secondary disk. A pre-image that the hidden disk has no room for lies
 * in the spill, where there is one. On the group's loop.
 */
final class DiskBuffers implements AutoCloseable {
    private static final String ACTIVE = "";
    private static final String EVEN = "-even";
    private static final String ODD = "-odd";

    private final Path directory;
    private final GroupPage page;
    private final EpochBuffer active;
    private final EpochBuffer evenHidden;
    private final EpochBuffer oddHidden;
    private final Spill spill;
    private EpochBuffer reservedIn;

    /** What the last {@link #find} found in the buffer that it answered. */
    private int slot;

    private DiskBuffers(
            final Path directory,
            final GroupPage page,
            final EpochBuffer active,
            final EpochBuffer evenHidden,
            final EpochBuffer oddHidden,
            final Spill spill) {
        this.directory = directory;
        this.page = page;
        this.active = active;
        this.evenHidden = evenHidden;
        this.oddHidden = oddHidden;
        this.spill = spill;
    }

    /**
     * Opens the buffers of a disk.
     *
     * @param files where they lie
     * @param arenaLimit bytes that each may keep
     * @throws IOException where there is no space, or they belong to another disk
     */
    static DiskBuffers open(
            final BufferFiles files,
            final long diskLength,
            final long arenaLimit,
            final GroupPage page)
            throws IOException {
        EpochBuffer active = null;
        EpochBuffer even = null;
        EpochBuffer odd = null;
        final Spill spill;
        try {
            final boolean hasGrown = page.isGrowing();
            active = open(files.active(), ACTIVE, diskLength, arenaLimit, hasGrown);
            even = open(files.hidden(), EVEN, diskLength, arenaLimit, hasGrown);
            odd = open(files.hidden(), ODD, diskLength, arenaLimit, hasGrown);
            spill = Spill.open(files.spill(), diskLength, page);
        } catch (final IOException e) {
            close(active);
            close(even);
            close(odd);
            throw e;
        }
        final DiskBuffers buffers =
                new DiskBuffers(
                        files.hidden().toAbsolutePath().getParent(),
                        page,
                        active,
                        even,
                        odd,
                        spill);
        final long committed = page.committedEpoch();
        active.enter(committed);
        buffers.hidden(committed + 1);
        buffers.hidden(committed + 2);
        return buffers;
    }

    private static EpochBuffer open(
            final Path path,
            final String suffix,
            final long diskLength,
            final long arenaLimit,
            final boolean hasGrown)
            throws IOException {
        final Path absolute = path.toAbsolutePath();
        return EpochBuffer.open(
                absolute.getParent(),
                absolute.getFileName() + suffix,
                diskLength,
                arenaLimit,
                hasGrown);
    }

    /**
     * The disk is longer from now on; what they keep stays, and so does their limit.
     *
     * @throws IOException where there is no room for it; it may be tried again
     */
    void lengthen(final long diskLength) throws IOException {
        active.lengthen(diskLength);
        evenHidden.lengthen(diskLength);
        oddHidden.lengthen(diskLength);
        spill.lengthen(diskLength);
    }

    /** Removes those that are not open, whatever they hold. */
    static void remove(final BufferFiles files) throws IOException {
        remove(files.active(), ACTIVE);
        remove(files.hidden(), EVEN);
        remove(files.hidden(), ODD);
    }

    private static void remove(final Path path, final String suffix) throws IOException {
        final Path absolute = path.toAbsolutePath();
        EpochBuffer.remove(absolute.getParent(), absolute.getFileName() + suffix);
    }

    private static void close(final EpochBuffer buffer) {
        if (buffer != null) {
            buffer.close();
        }
    }

    /** The pre-images of an uncommitted epoch. */
    EpochBuffer hidden(final long epoch) {
        final EpochBuffer buffer = (epoch & 1) == 0 ? evenHidden : oddHidden;
        buffer.enter(epoch);
        return buffer;
    }

    /** The epoch before the open one is committed, and what it used may be used again. */
    void onCommitted() {
        final long committed = page.committedEpoch();
        hidden(committed + 1).takeArena(hidden(committed + 2));
    }

    /** Whether an epoch has a block's pre-image; the hidden disk is that epoch's. */
    boolean isSaved(final EpochBuffer hidden, final long block, final long epoch) {
        return hidden.find(block) != ABSENT
                || spill.has(epoch) && spill.find(block, epoch) != ABSENT;
    }

    /**
     * Takes room for a run of pre-images of an epoch, in the hidden disk or else in the spill.
     *
     * @return as {@link EpochBuffer#reserve}; where it is, {@link #reservedIn} says
     */
    int reserve(final long epoch, final long block, final int count, final boolean isZero) {
        reservedIn = hidden(epoch);
        final int reserved = reservedIn.reserve(block, count, isZero);
        if (reserved != -Errno.ENOSPC || !spill.isThere()) {
            return reserved;
        }
        reservedIn = spill.of(epoch);
        return spill.reserve(epoch, block, count, isZero);
    }

    /** In which buffer {@link #reserve} took it. */
    EpochBuffer reservedIn() {
        return reservedIn;
    }

    /** The guest's own writes since the last checkpoint. */
    EpochBuffer active() {
        active.enter(page.committedEpoch());
        return active;
    }

    /** Who has a block as the guest sees it; null for the secondary disk. */
    EpochBuffer find(final long block) {
        final long committed = page.committedEpoch();
        slot = active.find(block, committed);
        return slot != ABSENT ? active : findHidden(block);
    }

    /** Where the block that was found last lies in its buffer: a slot, or zero. */
    int slot() {
        return slot;
    }

    /** Who has a block's pre-image; null where the secondary disk has the block as it was. */
    EpochBuffer findHidden(final long block) {
        final long committed = page.committedEpoch();
        final EpochBuffer older = (committed & 1) == 0 ? oddHidden : evenHidden;
        slot = older.find(block, committed + 1);
        if (slot != ABSENT) {
            return older;
        }
        if (spill.has(committed + 1) && isSpilled(block, committed + 1)) {
            return spill.of(committed + 1);
        }
        final EpochBuffer younger = older == oddHidden ? evenHidden : oddHidden;
        slot = younger.find(block, committed + 2);
        if (slot != ABSENT) {
            return younger;
        }
        return spill.has(committed + 2) && isSpilled(block, committed + 2)
                ? spill.of(committed + 2)
                : null;
    }

    private boolean isSpilled(final long block, final long epoch) {
        slot = spill.find(block, epoch);
        return slot != ABSENT;
    }

    /**
     * Copies a part of the block that was found last.
     *
     * @param from first byte of the part, within the block
     */
    void copy(
            final EpochBuffer buffer,
            final int from,
            final int length,
            final MemorySegment target,
            final long position) {
        copy(buffer, slot, from, length, target, position);
    }

    static void copy(
            final EpochBuffer buffer,
            final int slot,
            final int from,
            final int length,
            final MemorySegment target,
            final long position) {
        if (slot == ZERO) {
            target.asSlice(position, length).fill((byte) 0);
        } else {
            MemorySegment.copy(
                    buffer.arena(), EpochBuffer.position(slot) + from, target, position, length);
        }
    }

    /** All that may hold what the guest sees, and the disk does not. */
    EpochBuffer[] uncommitted() {
        final long committed = page.committedEpoch();
        final List<EpochBuffer> all = new ArrayList<>();
        all.add(active());
        for (long epoch = committed + 1; epoch <= committed + 2; epoch++) {
            all.add(hidden(epoch));
            if (spill.has(epoch)) {
                all.add(spill.of(epoch));
            }
        }
        return all.toArray(EpochBuffer[]::new);
    }

    /** The block is in the disk as the guest sees it: every buffer forgets it. */
    void forget(final long block) {
        final long committed = page.committedEpoch();
        // The lowest first: killed in between, what is seen stays the same.
        hidden(committed + 2).forget(block, committed + 2);
        spill.forget(block, committed + 2);
        spill.forget(block, committed + 1);
        hidden(committed + 1).forget(block, committed + 1);
        active.forget(block, committed);
    }

    /** Bytes of pre-images that uncommitted epochs have. */
    long hiddenUsed() {
        final long committed = page.committedEpoch();
        return hidden(committed + 1).usedLength()
                + hidden(committed + 2).usedLength()
                + spill.used();
    }

    /** Bytes that the hidden disk of an epoch may still take, wherever they come from. */
    long hiddenLeft(final long epoch) {
        final EpochBuffer hidden = hidden(epoch);
        return hidden.limitLength() - hidden.usedLength();
    }

    /** Bytes of them that have their space. */
    long hiddenAhead(final long epoch) {
        final EpochBuffer hidden = hidden(epoch);
        return Math.max(0, hidden.allocatedLength() - hidden.usedLength());
    }

    /** Bytes of the guest's own writes. */
    long activeUsed() {
        return active().usedLength();
    }

    /**
     * How much of the active disk is taken, where it lies, and what would help.
     *
     * @param length of what had no room there, in bytes
     */
    String activeRoom(final long length) {
        return room(activeUsed(), active.limitLength(), length);
    }

    /** The same of the hidden disk of the open epoch, and of its spill. */
    String hiddenRoom(final long length) {
        final long used = Math.max(evenHidden.usedLength(), oddHidden.usedLength());
        return room(used, evenHidden.limitLength(), length)
                + (spill.isThere()
                        ? "; the spill has no room either: make some in its file system"
                        : ", or name a directory on a disk with --spill");
    }

    /** How much of the hidden disk of the open epoch is taken, and of its spill. */
    String hiddenTaken() {
        final long used = Math.max(evenHidden.usedLength(), oddHidden.usedLength());
        return taken(used, evenHidden.limitLength())
                + (spill.isThere() ? ", and the spill has " + spill.used() + " bytes" : "");
    }

    private String taken(final long used, final long limit) {
        return used
                + " of "
                + limit
                + " bytes (--buffer-limit) taken, "
                + directory.toFile().getUsableSpace()
                + " free in the file system of "
                + directory;
    }

    private String room(final long used, final long limit, final long length) {
        final long needed = (blockFrom(length) + 1) * BLOCK_LENGTH; // wherever in a block it begins
        final String advice;
        if (length > limit) {
            advice =
                    "one change of "
                            + length
                            + " bytes needs more than the limit: raise --buffer-limit";
        } else if (used + needed > limit) {
            advice = "raise --buffer-limit, or checkpoint more often";
        } else {
            advice = "make room there, or checkpoint more often";
        }
        return taken(used, limit) + "; " + advice;
    }

    /** Bytes that all may have. */
    long limit() {
        return active.limitLength() + evenHidden.limitLength() + oddHidden.limitLength();
    }

    /**
     * Blocks that they keep something of, be it that they were zero: what grows as guests write.
     */
    long keptBlocks() {
        return active().blockCount() + evenHidden.blockCount() + oddHidden.blockCount();
    }

    /** Gives back memory beyond a mark, in bytes a buffer. */
    void trim(final long highWater) {
        active().trim(highWater);
        evenHidden.trim(highWater);
        oddHidden.trim(highWater);
        spill.trim();
    }

    /**
     * Touches memory ahead for the epoch behind the committed one, as {@link EpochBuffer#prepare}.
     *
     * @param ahead bytes that both buffers of the hidden disk are to have together
     */
    boolean prepare(final long ahead, final MemorySegment zeros) {
        final long committed = page.committedEpoch();
        final long others = hidden(committed + 2).allocatedLength();
        return hidden(committed + 1).prepare(ahead - others, zeros);
    }

    /** Blocks to whole blocks: the block of a byte. */
    static long blockOf(final long offset) {
        return offset / BLOCK_LENGTH;
    }

    /** The first block that begins at or behind a byte. */
    static long blockFrom(final long offset) {
        return (offset + BLOCK_LENGTH - 1) / BLOCK_LENGTH;
    }

    /** Brings all to stable storage. */
    void sync() throws IOException {
        active.sync();
        evenHidden.sync();
        oddHidden.sync();
        spill.sync();
    }

    @Override
    public void close() {
        active.close();
        evenHidden.close();
        oddHidden.close();
        spill.close();
    }

    /**
     * Gives back memory of buffers of which nothing is needed any more, so much at most, in bytes.
     * Answers whether there may be more.
     */
    boolean giveBack(final long length) {
        return active.giveBack(length) || evenHidden.giveBack(length) || oddHidden.giveBack(length);
    }

    void delete() throws IOException {
        active.delete();
        evenHidden.delete();
        oddHidden.delete();
        spill.delete();
    }
}
