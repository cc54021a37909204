package io.lockstep.engine.service;

import io.lockstep.engine.disk.SwitchDisk;

import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Guests that a manager has stopped: nothing that they ask for is begun until they go on. On the
 * engine's loop.
 */
final class GuestPause {
    private boolean isPaused;

    /** A disk is there: its guest is stopped with the others. */
    void onOpened(final EngineDisk disk) {
        if (isPaused) {
            disk.guest().pause(() -> {});
        }
    }

    /**
     * Stops all.
     *
     * @return done when what was under way has ended, and is flushed; a flush that fails its guest
     *     hears of at its next
     */
    CompletableFuture<Void> begin(final List<EngineDisk> disks) {
        isPaused = true;
        return CompletableFuture.allOf(
                disks.stream().map(GuestPause::stop).toArray(CompletableFuture[]::new));
    }

    private static CompletableFuture<Void> stop(final EngineDisk disk) {
        final CompletableFuture<Void> stopped = new CompletableFuture<>();
        final SwitchDisk guest = disk.guest();
        guest.pause(() -> disk.flush(stopped));
        return stopped;
    }

    /** All go on. */
    void end(final List<EngineDisk> disks) {
        isPaused = false;
        disks.forEach(disk -> disk.guest().resume());
    }
}
