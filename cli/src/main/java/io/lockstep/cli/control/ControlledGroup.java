package io.lockstep.cli.control;

import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.IoLoop;

import java.nio.file.Path;
import java.util.List;

/**
 * What a control socket controls: an immutable value.
 *
 * @param group called on its loop only
 * @param loop the group's
 * @param disks the group's, in its order
 * @param quit ends the process in good order; returns at once
 */
public record ControlledGroup(
        ReplicationGroup group, IoLoop loop, List<ControlledDisk> disks, Runnable quit) {
    /**
     * A disk, and where it lies.
     *
     * @param length in bytes
     */
    public record ControlledDisk(String name, Path file, long length) {}

    /** Copies the list. */
    public ControlledGroup {
        disks = List.copyOf(disks);
    }
}
