package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.primary.HeldGuests;
import io.lockstep.engine.primary.PrimaryGroup;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** The guests of a primary's disks, held together. On the engine's loop. */
final class EngineGuests implements HeldGuests {
    private final List<EngineDisk> disks;
    private final List<Disk> targets;

    EngineGuests(final List<EngineDisk> disks, final PrimaryGroup primary) {
        this.disks = List.copyOf(disks);
        targets = primary.guestDisks();
    }

    @Override
    public void hold(final Runnable whenQuiet) {
        final AtomicInteger left = new AtomicInteger(disks.size());
        for (final EngineDisk disk : disks) {
            disk.guest()
                    .hold(
                            () -> {
                                if (left.decrementAndGet() == 0) {
                                    whenQuiet.run();
                                }
                            });
        }
    }

    @Override
    public void letGo() {
        for (int i = 0; i < disks.size(); i++) {
            disks.get(i).guest().switchTo(targets.get(i), () -> {});
        }
    }
}
