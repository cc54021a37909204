package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupException;

import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Flushes local disks, one after the other. In the group's turn. */
final class LocalFlush {
    private LocalFlush() {}

    /**
     * Of all of them.
     *
     * @param sentence with which it fails
     */
    static CompletableFuture<Void> flushAll(final List<PrimaryDisk> disks, final String sentence) {
        final CompletableFuture<Void> flushed = new CompletableFuture<>();
        flushAll(
                disks,
                () -> flushed.complete(null),
                () -> flushed.completeExceptionally(new GroupException(sentence)));
        return flushed;
    }

    /** Of all of them; one of the actions runs. */
    static void flushAll(
            final List<PrimaryDisk> disks, final Runnable whenFlushed, final Runnable whenFailed) {
        if (disks.isEmpty()) {
            whenFlushed.run();
            return;
        }
        final Disk first = disks.getFirst().local();
        first.flush(
                disks.getFirst()
                        .lane()
                        .inTurn(
                                (token, errno) -> {
                                    if (errno == 0) {
                                        flushAll(
                                                disks.subList(1, disks.size()),
                                                whenFlushed,
                                                whenFailed);
                                    } else {
                                        whenFailed.run();
                                    }
                                }),
                0);
        first.poll();
    }
}
