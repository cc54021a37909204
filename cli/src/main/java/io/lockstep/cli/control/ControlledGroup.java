package io.lockstep.cli.control;

import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.IoLoop;

/**
 * What a control socket controls: an immutable value.
 *
 * @param group called on its loop only
 * @param loop the group's
 * @param quit ends the process in good order; returns at once
 * @param name of the virtual machine, for managers to tell processes by; null for none
 */
public record ControlledGroup(ReplicationGroup group, IoLoop loop, Runnable quit, String name) {
    /** One without a name. */
    public ControlledGroup(final ReplicationGroup group, final IoLoop loop, final Runnable quit) {
        this(group, loop, quit, null);
    }
}
