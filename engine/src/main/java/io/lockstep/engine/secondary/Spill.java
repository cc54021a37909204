package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.ABSENT;

import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.epoch.GroupPage;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Pre-images of one disk for which the hidden disk has no room: one more buffer for each of the two
 * epochs that may be uncommitted, in files on a disk, as long as that has room. A pre-image lies in
 * the one or in the other, never in both. On the group's loop; while nothing is spilled it costs a
 * comparison.
 */
final class Spill implements AutoCloseable {
    private static final String EVEN = "-even";
    private static final String ODD = "-odd";

    private final GroupPage page;

    /** Both null where there is none. */
    private final EpochBuffer even;

    private final EpochBuffer odd;

    /** The last epoch of which something is here. */
    private long lastEpoch;

    private Spill(final GroupPage page, final EpochBuffer even, final EpochBuffer odd) {
        this.page = page;
        this.even = even;
        this.odd = odd;
    }

    /**
     * Opens a disk's, as a process left it.
     *
     * @param files what their names begin with; empty for none
     * @throws IOException where there is no space, or they belong to another disk
     */
    static Spill open(final Optional<Path> files, final long diskLength, final GroupPage page)
            throws IOException {
        if (files.isEmpty()) {
            return new Spill(page, null, null);
        }
        final boolean hasGrown = page.isGrowing();
        final EpochBuffer even = openOne(files.get(), EVEN, diskLength, hasGrown);
        EpochBuffer odd = null;
        try {
            odd = openOne(files.get(), ODD, diskLength, hasGrown);
        } finally {
            if (odd == null) {
                even.close();
            }
        }
        final Spill spill = new Spill(page, even, odd);
        spill.enter();
        return spill;
    }

    private static EpochBuffer openOne(
            final Path path, final String suffix, final long diskLength, final boolean hasGrown)
            throws IOException {
        return EpochBuffer.open(
                path.getParent(),
                path.getFileName() + suffix,
                diskLength,
                Long.MAX_VALUE,
                hasGrown);
    }

    /** The disk is longer from now on. */
    void lengthen(final long diskLength) throws IOException {
        if (isThere()) {
            even.lengthen(diskLength);
            odd.lengthen(diskLength);
        }
    }

    /** Removes the files of one that is not open, whatever they hold. */
    static void remove(final Path path) throws IOException {
        EpochBuffer.remove(path.getParent(), path.getFileName() + EVEN);
        EpochBuffer.remove(path.getParent(), path.getFileName() + ODD);
    }

    private void enter() {
        final long committed = page.committedEpoch();
        for (long epoch = committed + 1; epoch <= committed + 2; epoch++) {
            if (of(epoch).extentCount() > 0) {
                lastEpoch = epoch;
            }
        }
    }

    /** Whether there is one. */
    boolean isThere() {
        return even != null;
    }

    /** Whether something of an epoch may be here. */
    boolean has(final long epoch) {
        return epoch <= lastEpoch;
    }

    /** Where an epoch's is. */
    EpochBuffer of(final long epoch) {
        final EpochBuffer buffer = (epoch & 1) == 0 ? even : odd;
        buffer.enter(epoch);
        return buffer;
    }

    /** What is here of a block of an epoch: a slot, zero, or that it is absent. */
    int find(final long block, final long epoch) {
        return has(epoch) ? ((epoch & 1) == 0 ? even : odd).find(block, epoch) : ABSENT;
    }

    /** Takes room for a run of an epoch, as {@link EpochBuffer#reserve} does. */
    int reserve(final long epoch, final long block, final int count, final boolean isZero) {
        final int slot = of(epoch).reserve(block, count, isZero);
        if (epoch > lastEpoch && (slot >= 0 || slot == EpochBuffer.ZERO)) {
            page.spilled(epoch); // before it is: who opens the buffers must not do without
            lastEpoch = epoch;
        }
        return slot;
    }

    /** A block has become the disk's. */
    void forget(final long block, final long epoch) {
        if (has(epoch)) {
            of(epoch).forget(block, epoch);
        }
    }

    /** Bytes of uncommitted epochs. */
    long used() {
        if (!has(page.committedEpoch() + 1)) {
            return 0;
        }
        final long committed = page.committedEpoch();
        return of(committed + 1).usedLength() + of(committed + 2).usedLength();
    }

    /** Gives back what is not in use and was not of late. */
    void trim() {
        if (isThere()) {
            of(page.committedEpoch() + 1).trim(0);
            of(page.committedEpoch() + 2).trim(0);
        }
    }

    /** Brings all to stable storage. */
    void sync() throws IOException {
        if (isThere()) {
            even.sync();
            odd.sync();
        }
    }

    @Override
    public void close() {
        if (isThere()) {
            even.close();
            odd.close();
        }
    }

    void delete() throws IOException {
        if (isThere()) {
            even.delete();
            odd.delete();
        }
    }
}
