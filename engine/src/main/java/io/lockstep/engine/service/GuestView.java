package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.throttle.ThrottleGroup;
import io.lockstep.engine.throttle.ThrottledDisk;

/**
 * A disk as its guest sees it, or through limits over that: what exports show. Made and closed by
 * the thread that uses the engine; used on the engine's loop.
 */
public final class GuestView {
    private final EngineDisk disk;

    /** What limits it; null for nothing. */
    private final ThrottledDisk throttled;

    private GuestView(final EngineDisk disk, final ThrottledDisk throttled) {
        this.disk = disk;
        this.throttled = throttled;
    }

    /** Without limits. */
    public static GuestView of(final EngineDisk disk) {
        return new GuestView(disk, null);
    }

    /** The same within a group's limits, until that is closed. */
    public GuestView within(final ThrottleGroup group) {
        return new GuestView(disk, new ThrottledDisk(shown(), group, disk.loop()));
    }

    /** Its limits hold up nothing that comes from now on; harmless without any. */
    public void close() {
        if (throttled != null) {
            throttled.close();
        }
    }

    EngineDisk disk() {
        return disk;
    }

    Disk shown() {
        return throttled == null ? disk.guest() : throttled;
    }
}
