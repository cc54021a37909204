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
    private final boolean[] flags;
    private int unknownCount;

    EmptyDisks(final List<Disk> disks) {
        this.disks = List.copyOf(disks);
        flags = new boolean[disks.size()];
        unknownCount = disks.size();
    }

    /** Looks at all; before the first write. */
    void look(final Runnable whenKnown) {
        for (int i = 0; i < flags.length; i++) {
            final int number = i;
            Emptiness.look(
                    disks.get(i),
                    isEmpty -> {
                        flags[number] = isEmpty;
                        if (--unknownCount == 0) {
                            whenKnown.run();
                        }
                    });
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
