package io.lockstep.cli.graph;

import io.lockstep.cli.graph.BlockNode.Definition;
import io.lockstep.engine.primary.MirrorLimits;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.service.EngineMirror;
import io.lockstep.engine.throttle.Throttle;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * Mirrors disks of a graph, as jobs, to other hosts. On the graph's thread. Source: QEMU's {@code
 * blockdev.c}, as 7.2 was seen to answer.
 */
public final class BlockMirrors {
    private final BlockGraph graph;
    private final Executor thread;

    /**
     * Those of a graph.
     *
     * @param thread the graph's
     */
    public BlockMirrors(final BlockGraph graph, final Executor thread) {
        this.graph = graph;
        this.thread = thread;
    }

    /** Makes the one who hears of a mirror. */
    public interface Begin {
        /**
         * A mirror can begin.
         *
         * @param whenEnded to be run when it has ended, from any thread
         */
        EngineMirror.Owner with(Runnable whenEnded);
    }

    /** The name that a job gets where it has none: the device's. */
    public String jobName(final String device) {
        return graph.find(device).id();
    }

    /**
     * Mirrors a disk to an export that is named as a file is; a node of that is there meanwhile.
     *
     * @param target an URI
     * @return the mirror, when the target has answered
     */
    public CompletableFuture<EngineMirror> toTarget(
            final String device, final String target, final Begin begin) {
        requireSource(device);
        final Peer peer = MirrorTarget.read(target);
        final Definition definition =
                new Definition("", "", new BlockNode.NbdClient(peer.server(), peer.export()));
        return graph.peerLengths()
                .ask(definition)
                .thenApplyAsync(
                        lengths -> {
                            final PlacedNode source = requireSource(device);
                            final PlacedNode node = graph.add(definition, lengths);
                            boolean isBegun = false;
                            try {
                                final EngineMirror mirror =
                                        begin(
                                                source,
                                                node,
                                                begin,
                                                () -> thread.execute(() -> graph.withdraw(node)));
                                isBegun = true;
                                return mirror;
                            } finally {
                                if (!isBegun) {
                                    graph.withdraw(node);
                                }
                            }
                        },
                        thread);
    }

    /** The same to a node that is there already. */
    public EngineMirror toNode(final String device, final String target, final Begin begin) {
        final PlacedNode node = graph.find(target);
        if (node.ground() != PlacedNode.Ground.PEER) {
            throw new GraphException(
                    "node '"
                            + target
                            + "' can't be mirrored to: a node of driver 'nbd', which names another"
                            + " host's export, can, and a throttle over one");
        }
        if (node.parent() != null || node.isUsed()) {
            throw new GraphException("Node " + target + " is in use");
        }
        return begin(requireSource(device), node, begin, () -> {});
    }

    private PlacedNode requireSource(final String device) {
        final PlacedNode source = graph.find(device);
        if (source.parent() != null) {
            throw new GraphException(
                    "Need a root block node: '"
                            + device
                            + "' is a part of '"
                            + source.parent().name()
                            + "', mirror that");
        }
        if (source.disk() == null) {
            throw new GraphException("node '" + device + "' is no disk of this host's");
        }
        return source;
    }

    private EngineMirror begin(
            final PlacedNode source,
            final PlacedNode target,
            final Begin begin,
            final Runnable afterwards) {
        if (source.length() != target.length()) {
            throw new GraphException(
                    "Source and target image have different sizes: "
                            + source.length()
                            + " and "
                            + target.length()
                            + " bytes");
        }
        source.used(1);
        target.used(1);
        boolean isBegun = false;
        try {
            final EngineMirror mirror =
                    graph.engine()
                            .mirror(
                                    source.disk(),
                                    target.peer(),
                                    new MirrorLimits(
                                            new Throttle(source.throttles()),
                                            new Throttle(target.throttles())),
                                    begin.with(
                                            () -> {
                                                source.used(-1);
                                                target.used(-1);
                                                afterwards.run();
                                            }));
            isBegun = true;
            return mirror;
        } catch (final IOException e) {
            throw new GraphException(GraphException.sentenceOf(e));
        } finally {
            if (!isBegun) {
                source.used(-1);
                target.used(-1);
            }
        }
    }
}
