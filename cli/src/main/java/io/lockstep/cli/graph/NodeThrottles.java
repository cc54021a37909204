package io.lockstep.cli.graph;

import io.lockstep.engine.service.Engine;
import io.lockstep.engine.throttle.ThrottleGroup;

import java.io.IOException;

/**
 * What throttle nodes are for, in the engine: over a file all that goes to it is limited, whoever
 * asks for it; over what a guest uses, what the guest asks for, and what a mirror of it reads; over
 * an NBD client, what a mirror or a quorum sends there. On the graph's thread.
 */
final class NodeThrottles {
    private final Engine engine;
    private final GraphObjects objects;

    NodeThrottles(final Engine engine, final GraphObjects objects) {
        this.engine = engine;
        this.objects = objects;
    }

    /**
     * Limits what stands below a node.
     *
     * @throws GraphException where that can't be limited
     */
    void begin(final PlacedNode node, final BlockNode.Throttle throttle) throws IOException {
        final PlacedNode below = node.child("file");
        if (below.isUsed()) {
            throw NodeDuties.unsupported(
                    node, "'" + below.name() + "' is being mirrored; end that job first");
        }
        final ThrottleGroup group = objects.use(throttle.group());
        boolean isBegun = false;
        try {
            limit(node, below, group);
            isBegun = true;
        } finally {
            if (!isBegun) {
                objects.release(throttle.group());
            }
        }
        node.limits(group);
    }

    private void limit(final PlacedNode node, final PlacedNode below, final ThrottleGroup group)
            throws IOException {
        switch (below.ground()) {
            case FILE -> {
                if (below.isExported()) {
                    throw NodeDuties.unsupported(
                            node,
                            "'" + below.name() + "' is exported already; remove its export first");
                }
                NodeDuties.requireWritable(node, below);
                engine.throttle(node.disk(), group);
            }
            case GUEST -> {
                NodeDuties.requireWritable(node, below);
                node.view(below.view().within(group));
            }
            case PEER -> {}
            case PART ->
                    throw NodeDuties.unsupported(
                            node,
                            "'"
                                    + below.name()
                                    + "' is a part of a replicated disk, and can't be limited by"
                                    + " itself; a throttle stands on a file, a raw node, a quorum,"
                                    + " a replication node with mode=secondary, or a node of"
                                    + " driver=nbd");
        }
    }

    /** It limits nothing any more. */
    void end(final PlacedNode node, final BlockNode.Throttle throttle) throws IOException {
        switch (node.ground()) {
            case FILE -> engine.uncover(node.disk());
            case GUEST -> node.view().close();
            default -> {}
        }
        objects.release(throttle.group());
    }
}
