package io.lockstep.engine.node;

/**
 * What a group is given of its node: what it remembers, and what new reigns are made of.
 *
 * @param node called on the group's loop
 * @param reigns see there
 * @param wasClean whether the node's process before this one was stopped in good order
 */
public record Self(Node node, Reigns reigns, boolean wasClean) {}
