package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.Emptiness;

import java.util.List;

/**
 * Which of a primary's disks had no data at all when the log began: each equals another one of that
 * kind. On the guest's loop; the link's reads it once all are known.
 */
final class EmptyDisks {
    private final List<Disk> disks;
    private final Lanes lanes;
    private final boolean[] flags;
    private int unknownCount;

    EmptyDisks(final List<Disk> disks, final Lanes lanes) {
        this(disks, lanes, new boolean[disks.size()]);
    }

    /** Of none it is known. */
    static EmptyDisks unknown(final int count) {
        return new EmptyDisks(List.of(), null, new boolean[count]);
    }

    private EmptyDisks(final List<Disk> disks, final Lanes lanes, final boolean[] flags) {
        this.disks = List.copyOf(disks);
        this.lanes = lanes;
        this.flags = flags;
        unknownCount = disks.size();
    }

    /** Looks at all; before the first write. */
    void look(final Runnable whenKnown) {
        if (disks.isEmpty()) {
            whenKnown.run();
        }
        for (int i = 0; i < disks.size(); i++) {
            final int number = i;
            Emptiness.look(
                    disks.get(i),
                    isEmpty ->
                            lanes.of(number)
                                    .turn()
                                    .within(() -> onLooked(number, isEmpty, whenKnown)));
        }
    }

    private void onLooked(final int number, final boolean isEmpty, final Runnable whenKnown) {
        flags[number] = isEmpty;
        if (--unknownCount == 0) {
            whenKnown.run();
        }
    }

    boolean isKnown() {
        return unknownCount == 0;
    }

    /** By the disks' numbers; to be read once they are known. */
    boolean[] flags() {
        return flags;
    }
}
