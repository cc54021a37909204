package io.lockstep.engine.node;

/**
 * What a group is given of its node: what it remembers, and what new reigns are made of.
 *
 * @param node called on the group's loop
 * @param reigns see there
 * @param wasClean whether the node's process before this one was stopped in good order
 * @param numberFound that of the record which this process found, before it stored one itself
 * @param stance what it says for the case of a split brain
 */
public record Self(Node node, Reigns reigns, boolean wasClean, long numberFound, OwnStance stance) {
    /** The same where the process has found the record as it is, and says nothing of a stance. */
    public Self(final Node node, final Reigns reigns, final boolean wasClean) {
        this(node, reigns, wasClean, node.number(), new OwnStance());
    }
}
