package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;

import java.util.List;

/** Flushes local disks, one after the other. On the guest's loop. */
final class LocalFlush {
    private LocalFlush() {}

    /** Of all of them; one of the actions runs. */
    static void flushAll(
            final List<PrimaryDisk> disks, final Runnable whenFlushed, final Runnable whenFailed) {
        if (disks.isEmpty()) {
            whenFlushed.run();
            return;
        }
        final Disk first = disks.getFirst().local();
        first.flush(
                (token, errno) -> {
                    if (errno == 0) {
                        flushAll(disks.subList(1, disks.size()), whenFlushed, whenFailed);
                    } else {
                        whenFailed.run();
                    }
                },
                0);
        first.poll();
    }
}
