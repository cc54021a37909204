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
        this(disks, new boolean[disks.size()]);
    }

    /** Of none it is known. */
    static EmptyDisks unknown(final int count) {
        return new EmptyDisks(List.of(), new boolean[count]);
    }

    private EmptyDisks(final List<Disk> disks, final boolean[] flags) {
        this.disks = List.copyOf(disks);
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
