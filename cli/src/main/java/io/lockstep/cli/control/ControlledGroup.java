package io.lockstep.cli.control;

import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.IoLoop;

/**
 * What a control socket controls: an immutable value.
 *
 * @param group called on its loop only
 * @param loop the group's
 * @param quit ends the process in good order; returns at once
 */
public record ControlledGroup(ReplicationGroup group, IoLoop loop, Runnable quit) {}
