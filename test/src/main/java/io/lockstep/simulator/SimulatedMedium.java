package io.lockstep.simulator;

import io.lockstep.engine.disk.ExtentList;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongPredicate;

/**
 * What a disk keeps its bytes on, and its volatile cache: two images, the current one, which reads
 * see, and the durable one, which a crash leaves; between them the changes that no flush has
 * covered. It outlives the processes that open it ({@link SimulatedHost#open}). Sectors of 512
 * bytes are atomic, nothing larger is.
 */
public final class SimulatedMedium {
    /** Bytes in a sector. */
    public static final int SECTOR_LENGTH = 512;

    private static final int BLOCK_LENGTH = DiskImage.BLOCK_LENGTH;
    private static final int SECTORS_PER_BLOCK = BLOCK_LENGTH / SECTOR_LENGTH;

    private final Simulation simulation;
    private final Dice dice;
    private final String name;
    private final long length;
    private final List<Change> changes = new ArrayList<>();
    private final ArrayDeque<Runnable> stuck = new ArrayDeque<>();
    private DiskImage current = new DiskImage();
    private DiskImage durable = new DiskImage();
    private DiskFaults faults;
    private FaultRule rule = (kind, offset, count) -> 0;
    private Runnable submitAction = () -> {};
    private long completionCount;
    private long changeCount;
    private boolean isElsewhere;

    /** Decides which operations fail. */
    public interface FaultRule {
        /** The errno with which an operation shall fail, or 0. */
        int errno(DiskOperation kind, long offset, long length);
    }

    /** Puts bytes into a block: those that belong at {@code offset} of the disk. */
    interface Source {
        void copy(long offset, byte[] block, int position, int count);
    }

    /** A change that a crash may undo. */
    static final class Change {
        private final long firstSector;
        private final long endSector;

        /** The blocks as they were afterwards; null for holes. */
        private final byte[][] blocks;

        /** Runs of sectors whose durable content is newer. */
        private final List<long[]> superseded = new ArrayList<>(0);

        private long completion = Long.MAX_VALUE;

        Change(final long offset, final long end, final byte[][] blocks) {
            firstSector = offset / SECTOR_LENGTH;
            endSector = (end + SECTOR_LENGTH - 1) / SECTOR_LENGTH;
            this.blocks = blocks;
        }

        private void supersedeBy(final Change newer) {
            if (newer.firstSector < endSector && firstSector < newer.endSector) {
                superseded.add(new long[] {newer.firstSector, newer.endSector});
            }
        }

        private boolean holds(final long sector) {
            for (final long[] run : superseded) {
                if (sector >= run[0] && sector < run[1]) {
                    return false;
                }
            }
            return sector >= firstSector && sector < endSector;
        }

        /** Makes an image show those sectors of the change that survive. */
        private void applyTo(final DiskImage image, final LongPredicate survives) {
            final long first = firstSector / SECTORS_PER_BLOCK;
            final long end = (endSector + SECTORS_PER_BLOCK - 1) / SECTORS_PER_BLOCK;
            long index = blocks == null ? image.nextBlock(first, end) : first;
            while (index < end) {
                final byte[] after = blocks == null ? null : blocks[(int) (index - first)];
                applyBlock(image, index, after, survives);
                index = blocks == null ? image.nextBlock(index + 1, end) : index + 1;
            }
        }

        private void applyBlock(
                final DiskImage image,
                final long index,
                final byte[] after,
                final LongPredicate survives) {
            final byte[] merged = image.blockOrZeroes(index).clone();
            int count = 0;
            for (int i = 0; i < SECTORS_PER_BLOCK; i++) {
                final long sector = index * SECTORS_PER_BLOCK + i;
                if (holds(sector) && survives.test(sector)) {
                    final byte[] bytes = after == null ? DiskImage.ZERO_BLOCK : after;
                    System.arraycopy(
                            bytes, i * SECTOR_LENGTH, merged, i * SECTOR_LENGTH, SECTOR_LENGTH);
                    count++;
                }
            }
            if (count == SECTORS_PER_BLOCK) {
                image.block(index, after);
            } else if (count > 0) {
                image.block(index, merged);
            }
        }
    }

    /** A medium of holes. */
    public SimulatedMedium(
            final Simulation simulation,
            final String name,
            final long length,
            final DiskFaults faults) {
        this.simulation = simulation;
        this.dice = simulation.dice().split();
        this.name = name;
        this.length = length;
        this.faults = faults;
    }

    /**
     * It is not in the hosts that open it: what it has of theirs outlives the loss of their power.
     */
    public SimulatedMedium elsewhere() {
        isElsewhere = true;
        return this;
    }

    /** A medium of another world that reads, durably, as this one does now. */
    public SimulatedMedium copy(final Simulation other, final DiskFaults otherFaults) {
        final SimulatedMedium copy = new SimulatedMedium(other, name, length, otherFaults);
        copy.current = new DiskImage(current);
        copy.durable = new DiskImage(current);
        return copy;
    }

    /** The name of the disk. */
    public String name() {
        return name;
    }

    /** Its length in bytes. */
    public long length() {
        return length;
    }

    /** What reads see. */
    public DiskImage current() {
        return current;
    }

    /** What is left of it in the worst crash. */
    public DiskImage durable() {
        return durable;
    }

    /** Changes what goes wrong from now on. */
    public void faults(final DiskFaults newFaults) {
        faults = newFaults;
    }

    /** Has a rule say which operations fail, besides those that fail by chance. */
    public void failWhen(final FaultRule newRule) {
        rule = newRule;
    }

    /** Sets bytes, durably, at no time: the content before the story begins. */
    public void fill(final long offset, final byte[] bytes) {
        store(
                offset,
                bytes.length,
                (at, block, position, count) ->
                        System.arraycopy(bytes, (int) (at - offset), block, position, count));
        complete(changes);
        flush(completionMark());
    }

    /** Somebody copies another medium of the same length here, durably, at no time. */
    public void takeFrom(final SimulatedMedium other) {
        changes.clear();
        current = new DiskImage(other.current);
        durable = new DiskImage(other.current);
    }

    /**
     * Has something done whenever an operation is submitted, before it has any effect: in the midst
     * of what its owner does.
     */
    public void onSubmit(final Runnable action) {
        submitAction = action;
    }

    /** Whether a crash now would leave all of it. */
    public boolean isFlushed() {
        return changes.isEmpty();
    }

    /** Counts what has changed the medium. */
    public long changeCount() {
        return changeCount;
    }

    /** Lets operations that are stuck go on. */
    public void release() {
        for (int count = stuck.size(); count > 0; count--) {
            stuck.remove().run();
        }
    }

    // ---- What the disk in front of it calls.

    Dice dice() {
        return dice;
    }

    DiskFaults faults() {
        return faults;
    }

    int ruledErrno(final DiskOperation kind, final long offset, final long count) {
        return rule.errno(kind, offset, count);
    }

    void submitting() {
        submitAction.run();
    }

    void stick(final Runnable operation) {
        stuck.add(operation);
    }

    /** Writes what a source has. */
    Change store(final long offset, final long count, final Source source) {
        final long end = offset + count;
        final long first = offset / BLOCK_LENGTH;
        final byte[][] after = new byte[(int) ((end + BLOCK_LENGTH - 1) / BLOCK_LENGTH - first)][];
        for (int i = 0; i < after.length; i++) {
            final long start = (first + i) * BLOCK_LENGTH;
            final long from = Math.max(start, offset);
            final byte[] block = current.blockOrZeroes(first + i).clone();
            source.copy(
                    from,
                    block,
                    (int) (from - start),
                    (int) (Math.min(start + BLOCK_LENGTH, end) - from));
            after[i] = block;
            current.block(first + i, block);
        }
        return add(new Change(offset, end, after));
    }

    /** Writes zeroes, and leaves holes where it may and whole blocks are concerned. */
    List<Change> zero(final long offset, final long count, final boolean mayPunch) {
        final long end = offset + count;
        final long firstWhole = (offset + BLOCK_LENGTH - 1) / BLOCK_LENGTH;
        final long endWhole = end / BLOCK_LENGTH;
        if (firstWhole >= endWhole) {
            return List.of(storeZeroes(offset, end));
        }
        return List.of(
                storeZeroes(offset, firstWhole * BLOCK_LENGTH),
                mayPunch ? punch(firstWhole, endWhole) : allocateZeroes(firstWhole, endWhole),
                storeZeroes(endWhole * BLOCK_LENGTH, end));
    }

    private Change storeZeroes(final long offset, final long end) {
        return store(
                offset,
                end - offset,
                (at, block, position, count) ->
                        Arrays.fill(block, position, position + count, (byte) 0));
    }

    private Change allocateZeroes(final long first, final long end) {
        final byte[][] after = new byte[(int) (end - first)][];
        Arrays.fill(after, DiskImage.ZERO_BLOCK);
        for (long index = first; index < end; index++) {
            current.block(index, DiskImage.ZERO_BLOCK);
        }
        return add(new Change(first * BLOCK_LENGTH, end * BLOCK_LENGTH, after));
    }

    private Change punch(final long first, final long end) {
        long index = current.nextBlock(first, end);
        while (index < end) {
            current.block(index, null);
            index = current.nextBlock(index + 1, end);
        }
        return add(new Change(first * BLOCK_LENGTH, end * BLOCK_LENGTH, null));
    }

    private Change add(final Change change) {
        changeCount++;
        changes.add(change);
        return change;
    }

    /** Lists what is allocated. */
    void extents(final long offset, final long count, final ExtentList into) {
        into.clear();
        final long end = offset + count;
        long position = offset;
        while (position < end) {
            final long index = position / BLOCK_LENGTH;
            final byte[] block = current.block(index);
            final long next =
                    block == null ? current.nextBlock(index, length / BLOCK_LENGTH + 1) : index + 1;
            final int state =
                    block == null
                            ? ExtentList.HOLE
                            : current.isZeroBlock(index) ? ExtentList.ZERO : ExtentList.DATA;
            final long runEnd = Math.min(end, next * BLOCK_LENGTH);
            if (!into.add(runEnd - position, state)) {
                return;
            }
            position = runEnd;
        }
    }

    /** The owner has heard of changes: the next flush covers them. */
    void complete(final List<Change> completed) {
        completionCount++;
        completed.forEach(change -> change.completion = completionCount);
    }

    /** What a flush that is submitted now has to cover. */
    long completionMark() {
        return completionCount;
    }

    /** Makes durable what had completed at the mark, and not a byte more. */
    void flush(final long mark) {
        final List<Change> older = new ArrayList<>();
        for (final Change change : changes) {
            if (change.completion <= mark) {
                change.applyTo(durable, sector -> true);
                older.forEach(left -> left.supersedeBy(change));
            } else {
                older.add(change);
            }
        }
        changes.clear();
        changes.addAll(older);
    }

    /**
     * The process that wrote has gone: what it wrote is in the cache, for the next one to flush.
     */
    void abandon() {
        complete(changes);
    }

    /** A host that has it open loses its power. */
    void onHostCrash() {
        if (isElsewhere) {
            abandon();
        } else {
            crash();
        }
    }

    /** The power fails: each change that no flush covered is lost, survives, or is torn. */
    void crash() {
        for (final Change change : changes) {
            if (dice.chance(faults.lostAtCrash())) {
                simulation.trace(name, "loses", change.firstSector, change.endSector);
            } else if (dice.chance(faults.tornAtCrash())) {
                simulation.trace(name, "tears", change.firstSector, change.endSector);
                final Dice perSector = dice.split();
                change.applyTo(durable, sector -> perSector.chance(0.5));
            } else {
                change.applyTo(durable, sector -> true);
            }
        }
        changes.clear();
        current = new DiskImage(durable);
    }
}
