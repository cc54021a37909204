package io.lockstep.cli.graph;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.server.ExportCounters;

import java.util.List;

/**
 * Tells of children of quorums that have failed: of the disk what its guest asked for in vain, and
 * of what lies behind the other child, that it was given up. Nodes are put here on the graph's
 * thread; what fails does so on any. Source: QEMU's {@code qapi/block.json} ({@code
 * QUORUM_REPORT_BAD}), and what 7.2 was seen to tell.
 */
final class BadChildren {
    private volatile BadChildListener listener = (node, kind, offset, length, reason) -> {};

    /** Replication children, as they are now. */
    private volatile List<Replicated> replicated = List.of();

    /** One of them, and the quorum that it is of, which may become longer. */
    private record Replicated(String nodeName, PlacedNode quorum) {}

    /** Somebody hears of them. */
    void listener(final BadChildListener hears) {
        listener = hears;
    }

    /** What is asked for by way of a node fails where its quorum's disk does. */
    void watch(final PlacedNode node) {
        PlacedNode below = node;
        while (below != null && !(below.node() instanceof BlockNode.Quorum)) {
            below = below.child("file");
        }
        if (below != null && node.ground() == PlacedNode.Ground.GUEST) {
            final String nodeName = below.child(NodeDuties.LOCAL_CHILD).nodeName();
            node.counters()
                    .failures(
                            (kind, offset, length, errno) ->
                                    listener.onBadChild(
                                            nodeName, kind, offset, length, Errno.meaning(errno)));
        }
    }

    /** All of a child counts as failed: it is not known any more what it has. */
    void onGivenUp(final String nodeName, final long length, final String reason) {
        listener.onBadChild(nodeName, ExportCounters.Kind.WRITE, 0, length, reason);
    }

    /** The nodes, as they are now. */
    void refresh(final List<PlacedNode> nodes) {
        replicated =
                nodes.stream()
                        .filter(
                                node ->
                                        node.node() instanceof BlockNode.PrimaryReplication
                                                && node.parent() != null)
                        .map(node -> new Replicated(node.nodeName(), node.parent()))
                        .toList();
    }

    /** Replication has ended, which is of all disks together. On the engine's loop. */
    void onReplicationGivenUp(final String reason) {
        replicated.forEach(child -> onGivenUp(child.nodeName(), child.quorum().length(), reason));
    }
}
